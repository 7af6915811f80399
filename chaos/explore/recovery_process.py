"""Recoveries, each in a process of its own, forked from one that has done all that can be done
before: imports, the parser's tables, the shared memory laid out.

Runs as a child of the launcher (chaos/targets/launcher.py) and serves one `Recoverer`
(recovery.py). Requests and replies are frames: a length, and JSON.

RECOVERY-1  A recovery begins in the same process state each time: what one leaves in memory, the
            next does not find.
RECOVERY-2  Whatever a recovery does (it dies, hangs, or eats the memory), there is a reply that
            says so.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import struct
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NoReturn

from chaos.disk.log import LogWriter
from chaos.host.alone import AloneHost
from chaos.targets.launcher import PR_SET_PDEATHSIG

SHOWN: Final = "/world/data"
"""The data directory, as the server that wrote the image has known it."""
DATABASE: Final = "postgres"
MEMORY_BYTES: Final = 2 << 30
_LENGTH: Final = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Server:
    """The server's side, by `module:attribute`, both called with a host, the data directory as it
    is shown, and settings: `single_user` makes a process that runs alone; `prepared` all that can
    be made before it is known for what image.
    """

    single_user: str
    prepared: str


def send(connection: socket.socket, message: dict[str, Any]) -> None:
    """One frame."""
    data = json.dumps(message).encode()
    connection.sendall(_LENGTH.pack(len(data)) + data)


def receive(connection: socket.socket) -> dict[str, Any] | None:
    """The next frame; None when the other side is gone. TimeoutError as the socket has it."""
    head = _exactly(connection, _LENGTH.size)
    body = head and _exactly(connection, _LENGTH.unpack(head)[0])
    return json.loads(body) if body else None


def _exactly(connection: socket.socket, length: int) -> bytes:
    parts = []
    while length:
        part = connection.recv(min(length, 1 << 20))
        if not part:
            return b""
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def serve(
    descriptor: int,
    directory: str,
    server: list[str],
    settings: dict[str, str],
    patches: list[str],
) -> int:
    """Answer requests until the controller is gone. `patches`, each `module:function argument`,
    change the server before anything else."""
    connection = socket.socket(fileno=descriptor)
    for patch in patches:
        name, _, argument = patch.partition(" ")
        _resolve(name)(*([argument] if argument else []))
    zygote = Zygote(directory, Server(*server), settings)
    while (request := receive(connection)) is not None:
        send(connection, zygote.answer(request))
    return 0


class Zygote:
    """The process that recoveries are forked from."""

    def __init__(
        self, directory: str, server: Server, settings: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._directory = directory
        self._settings = dict(settings)
        self._single_user = _resolve(server.single_user)
        self._prepare = _resolve(server.prepared)
        self._prepared: Any = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """One reply."""
        if request["warm_up"]:
            # Done here, it leaves what every recovery needs, and is thrown away itself.
            reply = self._recover(request)
            self._prepared = None
            if reply["failure"] is None:
                self._prepared = self._prepare(
                    AloneHost(self._directory, SHOWN), SHOWN, self._settings
                )
            gc.collect()
            gc.freeze()
            return reply
        return self._in_child(request)

    def _in_child(self, request: dict[str, Any]) -> dict[str, Any]:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._be_child(request, writing)
        os.close(writing)
        began = time.monotonic()
        parts, is_over = _read_until_end(reading, began + float(request["seconds"]))
        os.close(reading)
        if not is_over:
            os.kill(pid, signal.SIGKILL)
        _, status, usage = os.wait4(pid, 0)
        reply = _reply_of(parts, is_over, os.waitstatus_to_exitcode(status), request["seconds"])
        reply["cpu_s"] = usage.ru_utime + usage.ru_stime
        return reply

    def _be_child(self, request: dict[str, Any], writing: int) -> NoReturn:
        status = 1
        try:
            gc.disable()
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
            data = json.dumps(self._recover(request)).encode()
            while data:
                data = data[os.write(writing, data) :]
            status = 0
        except BaseException:  # noqa: BLE001 - there is nobody above; the log must have it
            traceback.print_exc()
        finally:
            os._exit(status)

    def _recover(self, request: dict[str, Any]) -> dict[str, Any]:
        io_log = LogWriter(request["io_log"]) if request["io_log"] else None
        host = AloneHost(self._directory, SHOWN, io_log)
        reply = _unanswered("", "")
        reply["failure"] = None
        single_user = self._single_user(host, SHOWN, self._settings)
        began = time.process_time()
        try:
            single_user.start(DATABASE, self._prepared)
            reply["recovered_at"] = host.logged
            recovered = time.process_time()
            reply["error"] = _execute(single_user, request["statements"], reply["answers"])
            reply["parts_s"] = [recovered - began, time.process_time() - recovered]
            if request["shut_down"]:
                single_user.shut_down()
            else:
                single_user.leave()
            reply["wal_end"] = single_user.wal_end_lsn
        except BaseException as error:  # noqa: BLE001 - RECOVERY-2
            reply["failure"] = _described(error)
        reply["log"] = b"".join(host.said).decode(errors="replace")
        changes = host.changes
        reply["chunks"] = {path: list(chunks) for path, chunks in changes.chunks.items()}
        reply["names"] = list(changes.names)
        return reply


def _execute(single_user: Any, statements: list[str], answers: list[Any]) -> dict[str, str] | None:
    """Run the statements, up to the first whose transaction fails; that error."""
    for text in statements:
        try:
            answer = single_user.execute(text)[-1]
        except Exception as error:
            if getattr(error, "level", "") != "ERROR":
                raise
            return _described(error)
        answers.append([answer.rows, answer.tag])
    return None


def _described(error: BaseException) -> dict[str, str]:
    """What ends a recovery: an error of the server with its level and SQLSTATE, a broken invariant,
    or, where the server did not foresee it, the end of a traceback."""
    level = getattr(error, "level", "")
    rule = getattr(error, "rule", "")
    message = str(error)
    if not level and not rule:
        where = traceback.extract_tb(error.__traceback__)[-1:]
        at = "".join(f" ({frame.filename}:{frame.lineno})" for frame in where)
        message = f"{type(error).__name__}: {message}{at}"
    detail = getattr(error, "detail", None)
    return {
        "level": level or ("PANIC" if rule else "UNFORESEEN"),
        "sqlstate": getattr(error, "sqlstate", ""),
        "message": f"{message} ({detail})" if detail else message,
    }


def _reply_of(parts: bytes, is_over: bool, status: int, seconds: float) -> dict[str, Any]:
    """What the child said; or how it ended without a word."""
    if not is_over:
        return _unanswered(f"no end after {seconds:g} s", "HANG")
    if status == 0 and parts:
        reply: dict[str, Any] = json.loads(parts)
        return reply
    how = f"signal {-status}" if status < 0 else f"exit status {status}"
    return _unanswered(f"the process died: {how}", "DIED")


def _unanswered(message: str, level: str) -> dict[str, Any]:
    """The reply of a recovery that gave none."""
    return {
        "failure": {"level": level, "sqlstate": "", "message": message},
        "answers": [],
        "error": None,
        "log": "",
        "chunks": None,
        "names": None,
        "wal_end": 0,
        "recovered_at": 0,
        "cpu_s": 0.0,
        "parts_s": [0.0, 0.0],
    }


def _read_until_end(fd: int, deadline: float) -> tuple[bytes, bool]:
    """All that comes until the other end is closed, and whether it was before the deadline."""
    parts: list[bytes] = []
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        if poll.poll(left * 1000):
            part = os.read(fd, 1 << 20)
            if not part:
                return b"".join(parts), True
            parts.append(part)
    return b"".join(parts), False


def _resolve(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)
