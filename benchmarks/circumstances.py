"""Circumstances in which the same seed must be the same run: where, as whom, beside what.

Each is a context manager that gives a way to start a Python program of this project.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
SERVANTS: Final = ("nobody", "postgres")
"""Users that are found on most machines and may do little."""
DESCRIPTORS: Final = 50
BUSY: Final = "import os, sys\nwhile os.getppid() == int(sys.argv[1]): pass"
"""For as long as whoever started it lives, however that ends."""
MAY_READ: Final = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
"""For an interpreter below a home directory that is closed to others."""
RUNS_ITSELF: Final = [sys.executable, "-c", "import chaos, psycopg"]
STARTS_ITSELF: Final = f"import subprocess; subprocess.check_call({RUNS_ITSELF!r})"
FILES_OF_THE_USER_ALONE: Final = 0o077
FILES_FOR_ALL: Final = 0o000

Start = Callable[[Sequence[str]], "subprocess.Popen[str]"]
"""Starts `python -m ...` with these arguments; what it prints comes through a pipe."""


class NotHere(Exception):
    """These circumstances cannot be had on this machine: says why."""


@contextmanager
def usual() -> Iterator[Start]:
    """As whoever measures has it."""
    yield lambda arguments: _start([sys.executable, "-m", *arguments], cwd=ROOT)


@contextmanager
def loaded() -> Iterator[Start]:
    """With a busy loop on every CPU."""
    loops = [
        subprocess.Popen([sys.executable, "-c", BUSY, str(os.getpid())])
        for _ in os.sched_getaffinity(0)
    ]
    try:
        with usual() as start:
            yield start
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


@contextmanager
def elsewhere() -> Iterator[Start]:
    """In another directory, with another environment, umask and hash seed, and with descriptors
    that somebody else has left open.
    """
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="elsewhere-")))
        left_open = [os.open(os.devnull, os.O_RDONLY) for _ in range(DESCRIPTORS)]
        for fd in left_open:
            stack.callback(os.close, fd)
        (scratch / "working").mkdir()
        environment = _environment(scratch) | {
            "PYTHONHASHSEED": "4711", "LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Tokyo",
            "USER": "somebody", "PGTZ": "Asia/Tokyo", "PGOPTIONS": "-c no_such_setting=1",
        }  # fmt: skip
        environment |= {f"LEFT_BY_OTHERS_{number}": "x" * number for number in range(200)}
        command = [sys.executable, "-m"]
        yield lambda arguments: _start(
            [*command, *arguments], cwd=scratch / "working", environment=environment,
            umask=FILES_OF_THE_USER_ALONE, keep=left_open,
        )  # fmt: skip


@contextmanager
def as_another_user() -> Iterator[Start]:
    """As a user who may do little, in a directory of its own. NotHere."""
    user, prefix = _servant()
    with tempfile.TemporaryDirectory(prefix="another-user-") as scratch:
        environment = _environment(Path(scratch)) | {"USER": user.pw_name}
        for path in (Path(scratch), *Path(scratch).iterdir()):
            os.chown(path, user.pw_uid, user.pw_gid)
        yield lambda arguments: _start(
            [*prefix, sys.executable, "-m", *arguments], cwd=Path(scratch), environment=environment,
            umask=FILES_FOR_ALL,
        )  # fmt: skip


CIRCUMSTANCES: Final = {
    "usual": usual, "loaded": loaded, "elsewhere": elsewhere, "another user": as_another_user,
}  # fmt: skip


def _environment(scratch: Path) -> dict[str, str]:
    """Everything that is written goes below `scratch`."""
    found = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(ROOT)}
    for name, directory in (("HOME", "home"), ("TMPDIR", "tmp"), ("XDG_CACHE_HOME", "cache")):
        (scratch / directory).mkdir()
        found[name] = str(scratch / directory)
    return found


def _servant() -> tuple[pwd.struct_passwd, list[str]]:
    """Somebody else, and how to start a program as that user."""
    if os.geteuid() != 0:
        raise NotHere("only root can be somebody else")
    known = {user.pw_name: user for user in pwd.getpwall()}
    user = next((known[name] for name in SERVANTS if name in known), None)
    if user is None:
        raise NotHere(f"there is no user {' or '.join(SERVANTS)}")
    who = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    for may in ((), MAY_READ):
        prefix = ["setpriv", *who, *may]
        try:
            command = [*prefix, sys.executable, "-c", STARTS_ITSELF]
            environment = {"PYTHONPATH": str(ROOT)}
            subprocess.run(command, check=True, capture_output=True, cwd="/", env=environment)
        except FileNotFoundError as error:
            raise NotHere("there is no setpriv") from error
        except subprocess.CalledProcessError:
            continue
        return user, prefix
    raise NotHere(f"{user.pw_name} cannot run {sys.executable}")


def _start(
    command: Sequence[str],
    cwd: Path,
    environment: dict[str, str] | None = None,
    umask: int = -1,
    keep: Sequence[int] = (),
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        umask=umask,
        pass_fds=keep,
        stdout=subprocess.PIPE,
        text=True,
    )
