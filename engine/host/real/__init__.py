"""The door onto Linux: files, sockets, processes, shared memory as the system has them."""

from engine.host.real.host import RealHost

__all__ = ["RealHost"]
