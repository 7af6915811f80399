"""The door under the baton: real processes and memory, one schedule, virtual time."""

from chaos.host.host import BatonHost

__all__ = ["BatonHost"]
