"""The settings that exist, as a table: `guc.c`'s names, units, defaults and limits.

A limit that differs from PostgreSQL 15's says why beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

SERVER_VERSION: Final = "15.18"
SERVER_VERSION_NUM: Final = 150018

SettingValue = bool | int | float | str


class Context(Enum):
    """When a setting may change (`GucContext`)."""

    INTERNAL = "internal"
    POSTMASTER = "postmaster"
    SIGHUP = "sighup"
    USER = "user"


@dataclass(frozen=True)
class Setting:
    """One setting. `unit` is the unit of `default` and of the stored value: kB, 8kB, MB, ms, s, or
    none.

    `choices` are the spellings of an enumeration; `report` means that clients hear of each change;
    `words` are what a list, separated by commas, may be made of.
    """

    name: str
    default: SettingValue
    context: Context
    description: str
    unit: str = ""
    minimum: float = 0
    maximum: float = 2147483647
    choices: Sequence[str] = ()
    report: bool = False
    words: Sequence[str] = ()


_I, _P, _H, _U = Context.INTERNAL, Context.POSTMASTER, Context.SIGHUP, Context.USER
_ISOLATION = ("serializable", "repeatable read", "read committed", "read uncommitted")
_LEVELS = (
    "debug5", "debug4", "debug3", "debug2", "debug1", "debug",
    "log", "info", "notice", "warning", "error", "fatal", "panic",
)  # fmt: skip

CONSISTENCY_WORDS: Final = (
    "all", "heap2", "heap", "btree", "hash", "gin", "gist", "sequence", "spgist", "brin", "generic",
)  # fmt: skip
"""The resource managers whose pages can be compared, and all of them."""

_TABLE: Final = (
    # connections
    Setting("listen_addresses", "localhost", _P, "Host name or IP address(es) to listen to."),
    Setting("port", 5432, _P, "TCP port the server listens on.", minimum=1, maximum=65535),
    Setting("unix_socket_directories", "/tmp", _P, "Directories of the Unix-domain sockets."),
    Setting("max_connections", 100, _P, "Maximum number of concurrent connections.",
            minimum=1, maximum=8000),
    Setting("superuser_reserved_connections", 3, _P, "Slots reserved for superusers.",
            maximum=8000),
    Setting("authentication_timeout", 60, _H, "Time to complete client authentication.", "s",
            minimum=1, maximum=600),
    Setting("password_encryption", "scram-sha-256", _U, "Algorithm for encrypting passwords.",
            choices=("scram-sha-256",)),
    Setting("hba_file", "pg_hba.conf", _P, "The server's hba configuration file."),
    # memory
    Setting("shared_buffers", 16384, _P, "Shared memory buffers used by the server.", "8kB",
            minimum=16, maximum=1073741823),
    Setting("wal_buffers", -1, _P, "Disk-page buffers in shared memory for WAL.", "8kB",
            minimum=-1, maximum=262143),
    # write-ahead log
    Setting("wal_level", "replica", _P, "Amount of information written to the WAL.",
            choices=("minimal", "replica")),
    Setting("fsync", True, _H, "Forces synchronization of updates to disk."),
    Setting("synchronous_commit", "on", _U, "Sets the transaction's synchronization level.",
            choices=("on", "off", "local", "remote_write", "remote_apply")),
    Setting("full_page_writes", True, _H,
            "Writes full pages to WAL when first modified after a checkpoint."),
    Setting("wal_log_hints", False, _P,
            "Writes full pages to WAL for hint bits too (implied by data checksums)."),
    Setting("wal_writer_delay", 200, _H, "Time between WAL flushes by the WAL writer.", "ms",
            minimum=1, maximum=10000),
    Setting("wal_writer_flush_after", 128, _H, "WAL written by the WAL writer that causes a flush.",
            "8kB"),
    Setting("wal_keep_size", 0, _H, "Size of WAL files held for standby servers.", "MB"),
    Setting("min_wal_size", 80, _H, "Minimum size to shrink the WAL to.", "MB", minimum=2),
    Setting("max_wal_size", 1024, _H, "WAL size that triggers a checkpoint.", "MB", minimum=2),
    # PostgreSQL's minimum is 30 s; a crash test wants checkpoints more often.
    Setting("checkpoint_timeout", 300, _H, "Maximum time between checkpoints.", "s",
            minimum=1, maximum=86400),
    Setting("checkpoint_completion_target", 0.9, _H,
            "Part of the interval over which dirty buffers are written.", maximum=1),
    Setting("checkpoint_warning", 30, _H, "Warns when WAL volume triggers checkpoints too often.",
            "s"),
    # background writer
    Setting("bgwriter_delay", 200, _H, "Background writer sleep time between rounds.", "ms",
            minimum=10, maximum=10000),
    Setting("bgwriter_lru_maxpages", 100, _H, "Background writer maximum pages per round.",
            maximum=1073741823),
    Setting("bgwriter_lru_multiplier", 2.0, _H, "Multiple of average usage to free per round.",
            maximum=10),
    # locks and timeouts
    Setting("deadlock_timeout", 1000, _U, "Time to wait on a lock before checking for deadlock.",
            "ms", minimum=1),
    Setting("max_locks_per_transaction", 64, _P, "Maximum number of locks per transaction.",
            minimum=10),
    Setting("lock_timeout", 0, _U, "Maximum allowed duration of any wait for a lock.", "ms"),
    Setting("statement_timeout", 0, _U, "Maximum allowed duration of any statement.", "ms"),
    Setting("idle_in_transaction_session_timeout", 0, _U,
            "Maximum allowed idle time between queries, when in a transaction.", "ms"),
    Setting("idle_session_timeout", 0, _U,
            "Maximum allowed idle time between queries, when not in a transaction.", "ms"),
    # crash behaviour
    Setting("restart_after_crash", True, _H, "Reinitialize server after a backend crashes."),
    Setting("ignore_checksum_failure", False, _U, "Continues after a checksum failure."),
    Setting("zero_damaged_pages", False, _U, "Continues past damaged page headers."),
    Setting("wal_consistency_checking", "", _U,
            "WAL resource managers for which replay is compared with the logged pages.",
            words=CONSISTENCY_WORDS),
    # logging
    Setting("logging_collector", False, _P, "Runs the logger to capture stderr into log files."),
    Setting("log_directory", "log", _H, "Destination directory for log files."),
    Setting("log_filename", "postgresql-%Y-%m-%d_%H%M%S.log", _H, "File name pattern of logs."),
    Setting("log_rotation_size", 10240, _H, "Size at which a log file is replaced.", "kB"),
    Setting("log_min_messages", "warning", _H, "Message levels that are logged.", choices=_LEVELS),
    Setting("log_line_prefix", "%m [%p] ", _H, "Information prefixed to each log line."),
    Setting("log_checkpoints", True, _H, "Logs each checkpoint."),
    Setting("log_connections", False, _H, "Logs each successful connection."),
    Setting("log_disconnections", False, _H, "Logs end of a session, including duration."),
    # vacuum
    Setting("vacuum_freeze_min_age", 50000000, _U, "Age at which VACUUM freezes a row.",
            maximum=1000000000),
    # recorded in pg_control, for what is not there yet
    Setting("max_worker_processes", 8, _P, "Maximum number of concurrent worker processes.",
            maximum=262143),
    Setting("max_wal_senders", 10, _P, "Maximum number of running WAL senders.", maximum=262143),
    Setting("max_prepared_transactions", 0, _P, "Maximum number of prepared transactions.",
            maximum=262143),
    Setting("track_commit_timestamp", False, _P, "Collects transaction commit time.",
            choices=()),
    # session
    Setting("application_name", "", _U, "Name reported in statistics and logs.", report=True),
    Setting("client_encoding", "UTF8", _U, "The client's character set encoding.", report=True),
    Setting("client_min_messages", "notice", _U, "Message levels sent to the client.",
            choices=_LEVELS),
    Setting("DateStyle", "ISO, MDY", _U, "Display format for date and time values.", report=True),
    Setting("IntervalStyle", "postgres", _U, "Display format for interval values.", report=True,
            choices=("postgres", "postgres_verbose", "sql_standard", "iso_8601")),
    Setting("TimeZone", "UTC", _U, "Time zone for displaying time stamps.", report=True,
            choices=()),
    Setting("search_path", '"$user", public', _U, "Schema search order for names without one."),
    Setting("standard_conforming_strings", True, _U, "Treats backslashes literally in strings.",
            report=True),
    Setting("extra_float_digits", 1, _U, "Number of digits displayed for floating-point values.",
            minimum=-15, maximum=3),
    Setting("bytea_output", "hex", _U, "Output format for bytea.", choices=("hex", "escape")),
    Setting("jit", False, _U, "Allow JIT compilation: accepted, there is none."),
    Setting("row_security", True, _U, "Enable row security: accepted, there is none."),
    Setting("default_transaction_isolation", "read committed", _U,
            "Isolation level of each new transaction.", choices=_ISOLATION),
    Setting("default_transaction_read_only", False, _U, "Read-only status of new transactions.",
            report=True),
    Setting("transaction_isolation", "read committed", _U,
            "The current transaction's isolation level.", choices=_ISOLATION),
    Setting("transaction_read_only", False, _U, "The current transaction's read-only status."),
    # what the server is
    Setting("server_version", SERVER_VERSION, _I, "Server version.", report=True),
    Setting("server_version_num", SERVER_VERSION_NUM, _I, "Server version as an integer."),
    Setting("server_encoding", "UTF8", _I, "Database character set encoding.", report=True),
    Setting("integer_datetimes", True, _I, "Whether datetimes are integer based.", report=True),
    Setting("is_superuser", True, _I, "Whether the current user is a superuser.", report=True),
    Setting("session_authorization", "postgres", _I, "Session user name.", report=True),
    Setting("in_hot_standby", False, _I, "Whether hot standby is active.", report=True),
    Setting("block_size", 8192, _I, "Size of a disk block."),
    Setting("wal_block_size", 8192, _I, "Block size in the write ahead log."),
    Setting("wal_segment_size", 16777216, _I, "Size of write ahead log segments.", "B",
            minimum=1048576, maximum=1073741824),
    Setting("segment_size", 131072, _I, "Pages per disk file.", "8kB"),
    Setting("max_identifier_length", 63, _I, "Maximum identifier length."),
    Setting("data_checksums", True, _I, "Whether data checksums are turned on."),
    Setting("data_directory", "", _I, "The server's data directory."),
    Setting("data_directory_mode", "0700", _I, "Mode of the data directory."),
    Setting("lc_collate", "C", _I, "Collation order locale."),
    Setting("lc_ctype", "C", _I, "Character classification and case conversion locale."),
)  # fmt: skip

SETTINGS: Final = {setting.name.lower(): setting for setting in _TABLE}
"""Every setting by its name in lower case."""
