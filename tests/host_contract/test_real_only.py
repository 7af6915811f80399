"""What only the real host can be asked, each with the reason why no other can."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from engine.host.api import Host, OpenMode, Ready, Signal
from tests.host_contract.children import exit_statuses
from tests.host_contract.conftest import World


def test_quit_ends_a_child_that_makes_no_call(real_world: World) -> None:
    """Real signals interrupt; elsewhere a process that makes no call is not to be reached."""

    def scenario(host: Host) -> None:
        host.create_latches(2)
        words = host.map_shared(8).cast("Q")

        def busy() -> None:
            host.last_words(lambda: words.__setitem__(0, 42))
            host.wake(0)
            while True:
                pass

        pid = host.fork("backend", 1, busy)
        while not host.wait(1000) & Ready.LATCH:
            pass
        host.signal(pid, Signal.QUIT)
        assert exit_statuses(host, 1) == [2]
        assert words[0] == 42

    real_world(scenario)


def test_pids_and_titles_are_the_systems(real_world: World) -> None:
    """Elsewhere pids are counted, and what `ps` shows may be of use to somebody else."""

    def scenario(host: Host) -> None:
        host.create_latches(2)

        def child() -> None:
            host.set_title("postgres: under test ")
            host.wake(0)
            host.wait()

        pid = host.fork("backend", 1, child)
        while not host.wait(1000) & Ready.LATCH:
            pass
        assert (host.pid(), host.parent_pid()) == (os.getpid(), os.getppid())
        title = Path(f"/proc/{pid}/cmdline").read_bytes()
        assert title.startswith(b"postgres: under test ")
        host.wake(1)
        assert exit_statuses(host, 1) == [0]

    real_world(scenario)


def test_a_detached_process_leads_a_session(real_world: World) -> None:
    """Elsewhere the processes of one world stay together, so that all can be ended."""

    def scenario(host: Host) -> None:
        host.create_latches(2)

        def child() -> None:
            host.detach()
            host.exit(7 if os.getsid(0) == os.getpid() else 8)

        host.fork("postmaster", 1, child)
        assert exit_statuses(host, 1) == [7]

    real_world(scenario)


def test_absolute_paths_are_the_systems(real_world: World) -> None:
    """Elsewhere they may have other names, so that no message tells where a run took place."""

    def scenario(host: Host) -> None:
        path = real_world.root / "file"
        host.close(host.open(str(path), OpenMode.WRITE | OpenMode.CREATE))
        assert path.read_bytes() == b""
        assert host.list_directory(str(real_world.root)) == ["file"]

    real_world(scenario)


def test_a_client_over_tcp_is_known_by_its_address(real_world: World) -> None:
    """Elsewhere there is no TCP: ports are the machine's, and differ from run to run."""

    def scenario(host: Host) -> None:
        listener = host.listen_tcp("127.0.0.1", 0)
        with socket.socket(fileno=os.dup(listener)) as itself:
            address = itself.getsockname()
        with socket.create_connection(address) as client:
            assert host.wait(1000, read=[listener]) == Ready.READ
            fd, peer = host.accept(listener)
            assert peer == client.getsockname()
            assert host.send(fd, b"hello") == 5
            assert client.recv(10) == b"hello"

    real_world(scenario)
