"""The settings: what exists, what postgresql.conf says, what a session has changed."""

from engine.config.definitions import SETTINGS, Context, Setting
from engine.config.server import Config, read_configuration, reread_configuration
from engine.config.session import SessionSettings
from engine.config.values import format_setting, parse_setting

__all__ = [
    "SETTINGS",
    "Config",
    "Context",
    "SessionSettings",
    "Setting",
    "format_setting",
    "parse_setting",
    "read_configuration",
    "reread_configuration",
]
