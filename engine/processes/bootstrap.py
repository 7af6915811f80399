"""What initdb makes of an empty data directory, before any server has run on it.

Catalogs first, pg_control last: a directory on which initdb was killed has no pg_control, and no
server starts on it (CAT-3).
"""

from __future__ import annotations

from typing import Final

from engine.backend.authentication import build_verifier
from engine.catalog.bootstrap import bootstrap_catalogs
from engine.config import Config
from engine.datadir import CLOG_DIRECTORY, clog_segment_path
from engine.host.api import Host
from engine.host.whole_file import write_file
from engine.recovery.bootstrap import bootstrap_wal
from engine.types import BLOCK_SIZE

SALT_LENGTH: Final = 16


def bootstrap(host: Host, config: Config, password: str | None) -> None:
    """Create the catalogs, the commit log, the first WAL segment and pg_control, durably.

    `password` is the superuser's; None lets nobody in who must prove a password.
    """
    verifier = None
    if password is not None:
        verifier = build_verifier(password, host.random_bytes(SALT_LENGTH))
    bootstrap_catalogs(host, superuser_verifier=verifier)
    write_file(host, clog_segment_path(0), bytes(BLOCK_SIZE))
    host.fsync_directory(CLOG_DIRECTORY)
    bootstrap_wal(host, config, segment_size=int(config.wal_segment_size))
