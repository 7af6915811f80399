"""The door's sockets and pipes, and where a process's output goes."""

from __future__ import annotations

import socket
import sys

import pytest

from engine.host.api import Host, Peer, Ready
from tests.host_contract.children import exit_statuses, receive_all
from tests.host_contract.conftest import World


def connect(world: World, path: str) -> socket.socket:
    """A client from outside, connected: a connection waits in the listener's queue."""
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(world.root / path))
    client.setblocking(False)
    return client


def accept(host: Host, listener: int) -> tuple[int, Peer]:
    """The next client of a listener."""
    while True:
        try:
            return host.accept(listener)
        except BlockingIOError:
            host.wait(1000, read=[listener])


def send_until_it_would_block(host: Host, fd: int) -> int:
    """Fill a connection; how many bytes it took."""
    sent = 0
    while True:
        try:
            sent += host.send(fd, bytes(65536))
        except BlockingIOError:
            return sent


def test_a_socket_listens_at_a_path_relative_to_the_data_directory(world: World) -> None:
    def scenario(host: Host) -> None:
        host.make_directory("sockets")
        listener = host.listen_unix("sockets/.s")
        assert host.list_directory("sockets") == [".s"]
        with pytest.raises(BlockingIOError):
            host.accept(listener)
        with pytest.raises(OSError, match="Address already in use"):
            host.listen_unix("sockets/.s")
        with connect(world, "sockets/.s"):
            assert host.wait(1000, read=[listener]) == Ready.READ
            _, peer = host.accept(listener)
        assert peer == Peer(None, 0)
        host.close(listener)
        host.unlink("sockets/.s")
        assert host.list_directory("sockets") == []

    world(scenario)


def test_bytes_go_both_ways_and_the_end_is_told(world: World) -> None:
    def scenario(host: Host) -> None:
        listener = host.listen_unix(".s")
        with connect(world, ".s") as client:
            fd, _ = accept(host, listener)
            with pytest.raises(BlockingIOError):
                host.receive(fd, 10)
            client.send(b"question")
            assert host.wait(1000, read=[fd]) == Ready.READ
            assert host.receive(fd, 5) == b"quest"
            assert host.receive(fd, 100) == b"ion"
            assert host.wait(1000, read=[fd], write=[fd]) == Ready.WRITE
            assert host.send(fd, b"answer") == 6
            assert client.recv(100) == b"answer"
        assert host.wait(1000, read=[fd]) == Ready.READ
        assert host.receive(fd, 100) == b""
        with pytest.raises(BrokenPipeError):
            host.send(fd, b"anybody?")

    world(scenario)


def test_sending_to_one_who_does_not_read_would_block(world: World) -> None:
    def scenario(host: Host) -> None:
        listener = host.listen_unix(".s")
        with connect(world, ".s") as client:
            fd, _ = accept(host, listener)
            sent = send_until_it_would_block(host, fd)
            assert sent > 0
            assert host.wait(1, write=[fd]) == Ready.TIMEOUT
            while sent:
                sent -= len(client.recv(65536))
            assert host.wait(1000, write=[fd]) == Ready.WRITE

    world(scenario)


def test_a_child_serves_a_connection_that_its_parent_accepted(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(2)
        listener = host.listen_unix(".s")
        with connect(world, ".s") as client:
            fd, _ = accept(host, listener)

            def child() -> None:
                host.close(listener)
                host.send(fd, b"child")

            host.fork("backend", 1, child)
            host.close(fd)
            assert exit_statuses(host, 1) == [0]
            assert client.recv(100) == b"child"
            assert client.recv(100) == b"", "its end closed what the parent had closed before"

    world(scenario)


def test_a_pipe_ends_when_the_last_writer_is_gone(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(3)
        reading, writing = host.pipe()

        def child() -> None:
            host.wait()
            host.send(writing, b"x")

        for latch in (1, 2):
            host.fork("backend", latch, child)
        with pytest.raises(BlockingIOError):
            host.receive(reading, 1)
        host.close(writing)
        host.wake(1)
        host.wake(2)
        assert receive_all(host, reading) == b"xx"
        assert exit_statuses(host, 2) == [0, 0]

    world(scenario)


def test_a_pipe_without_a_reader_is_broken(world: World) -> None:
    def scenario(host: Host) -> None:
        reading, writing = host.pipe()
        host.close(reading)
        with pytest.raises(BrokenPipeError):
            host.send(writing, b"x")

    world(scenario)


def test_redirected_output_is_everything_that_the_process_writes(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(2)
        reading, writing = host.pipe()

        def child() -> None:
            host.redirect_output(writing)
            host.close(writing)
            host.write_log(b"a line\n")
            sys.stdout.write("printed\n")
            sys.stdout.flush()
            sys.stderr.write("complained\n")
            raise LookupError("of which the host says")

        host.fork("backend", 1, child)
        host.close(writing)
        heard = receive_all(host, reading).decode().splitlines()
        assert heard[:3] == ["a line", "printed", "complained"]
        assert heard[3] == "PANIC:  unexpected LookupError: of which the host says"
        assert exit_statuses(host, 1) == [2]

    world(scenario)


def test_a_log_that_nobody_reads_is_lost_and_harms_nobody(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(2)
        reading, writing = host.pipe()

        def child() -> None:
            host.close(reading)
            host.redirect_output(writing)
            host.close(writing)
            host.wait()
            host.write_log(b"into the void\n")
            host.exit(7)

        host.fork("backend", 1, child)
        host.close(writing)
        host.close(reading)
        host.wake(1)
        assert exit_statuses(host, 1) == [7]

    world(scenario)
