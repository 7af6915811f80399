"""The door's sockets."""

from __future__ import annotations

from engine.host.api import Host
from tests.host_contract.conftest import World


def test_a_socket_listens_at_a_path_relative_to_the_data_directory(world: World) -> None:
    def scenario(host: Host) -> None:
        host.make_directory("sockets")
        listener = host.listen_unix("sockets/.s")
        assert host.list_directory("sockets") == [".s"]
        host.close(listener)

    world(scenario)
