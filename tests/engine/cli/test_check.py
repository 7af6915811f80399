"""`engine check`: its words, its JSON, its exit statuses."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

from click.testing import CliRunner
from crc32c import crc32c

from engine.cli.check import check


def a_copy(template: Path, to: Path) -> Path:
    """A cluster to be damaged."""
    shutil.copytree(template, to)
    return to


def test_a_clean_cluster_is_in_order(cluster_template: Path) -> None:
    answer = CliRunner().invoke(check, ["-D", str(cluster_template)])
    assert answer.exit_code == 0
    first, second = answer.output.splitlines()
    assert first == "all is in order"
    assert second.startswith("looked at 39 pages, 18 relations, 3 databases, ")


def test_a_problem_is_a_line_with_its_place_and_its_invariant(
    cluster_template: Path, tmp_path: Path
) -> None:
    data = a_copy(cluster_template, tmp_path / "data")
    with (data / "base/5/1259").open("r+b") as file:
        file.seek(8000)
        file.write(b"\x55")
    answer = CliRunner().invoke(check, [str(data)])
    assert answer.exit_code == 1
    assert answer.output.startswith("base/5/1259 block 0: its checksum is ")
    assert "(PAGE-1)\n" in answer.output
    assert "1 problem\n" in answer.output
    report = json.loads(CliRunner().invoke(check, ["--json", str(data)]).output)
    (problem,) = report["problems"]
    assert (problem["invariant"], problem["block"], problem["offset"]) == ("PAGE-1", 0, None)


def test_a_cluster_that_was_not_shut_down_is_not_called_in_order(
    cluster_template: Path, tmp_path: Path
) -> None:
    data = a_copy(cluster_template, tmp_path / "data")
    control = bytearray((data / "global/pg_control").read_bytes())
    struct.pack_into("<I", control, 16, 6)
    struct.pack_into("<I", control, 288, crc32c(bytes(control[:288])))
    (data / "global/pg_control").write_bytes(control)
    answer = CliRunner().invoke(check, ["-D", str(data)])
    assert answer.exit_code == 3
    assert "all is in order" not in answer.output
    assert 'not shut down but "in production"; start it and stop it first' in answer.output


def test_wrong_usage_ends_with_2(tmp_path: Path) -> None:
    for arguments in ([], ["--nonsense"], ["-D", str(tmp_path)], [str(tmp_path / "nowhere")]):
        answer = CliRunner(env={"PGDATA": None}).invoke(check, arguments)
        assert (arguments, answer.exit_code) == (arguments, 2)
