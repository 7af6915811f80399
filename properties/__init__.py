"""What must hold, whatever breaks: checkers over histories, independent of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from properties.crash_properties import crash_property

__all__ = ["crash_property"]


def __getattr__(name: str) -> Any:
    """`crash_property` brings pytest and the controller with it, which few who come here want."""
    if name != "crash_property":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from properties.crash_properties import crash_property

    return crash_property
