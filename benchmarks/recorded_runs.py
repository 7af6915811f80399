"""Runs seeds under the baton, and prints of each what two runs of it must have in common.

    python -m benchmarks.recorded_runs SEED... [--cpu N] [--fresh] [--wishes JSON]

A line of JSON for each seed, when it is done: seed, verdict, steps, digest, and a digest of the
history, of the server's logs and of every byte of the data directory at the end of the run. With
`--fresh` each seed has a launcher of its own, else one serves all.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from chaos.bundle import Finished
from chaos.cli.entry import forget_libpq_settings
from chaos.oracle import DEFAULT_SUITE
from chaos.plan import BATON, Wishes, make_plan
from chaos.report.observer import Silent
from chaos.session import open_session


def recorded(seeds: list[int], wishes: Wishes, *, fresh: bool) -> Iterator[dict[str, Any]]:
    """One record per seed."""
    sessions = [[seed] for seed in seeds] if fresh else [seeds]
    for batch in sessions:
        with open_session(wishes, DEFAULT_SUITE, None, Silent()) as session:
            for seed in batch:
                found: list[dict[str, str]] = []
                began = time.monotonic()

                def keep(run: Finished, found: list[dict[str, str]] = found) -> None:
                    found.append(digests(run))

                result = session.run(make_plan(seed, wishes), "", keep)
                kept = {name: result[name] for name in ("seed", "verdict", "steps", "digest")}
                seconds = round(time.monotonic() - began, 2)
                yield kept | found[0] | {"seconds": seconds, "reason": result["reason"]}


def digests(run: Finished) -> dict[str, str]:
    """Of what a run leaves, beside the digest of its steps."""
    events = [event.to_json() for event in run.history or ()]
    return {
        "history": _digest("\n".join(events).encode()),
        "logs": _digest(*(part for path in run.target.log.paths() for part in _file(path))),
        "data": _digest(*_tree(run.target.data_directory)),
    }


def _tree(top: Path) -> Iterator[bytes]:
    for directory, directories, files in os.walk(top):
        directories.sort()
        yield f"{os.path.relpath(directory, top)}\n".encode()
        for name in sorted(files):
            yield from _file(Path(directory) / name)


def _file(path: Path) -> Iterator[bytes]:
    content = path.read_bytes()
    yield f"{path.name} {path.stat().st_mode:o} {len(content)}\n".encode()
    yield content


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]


@click.command()
@click.argument("seeds", type=int, nargs=-1)
@click.option("--cpu", type=int, help="The CPU for all that is started.")
@click.option("--fresh", is_flag=True)
@click.option("--wishes", default="{}", help="Of chaos.plan.Wishes, as JSON.")
def main(seeds: tuple[int, ...], cpu: int | None, fresh: bool, wishes: str) -> None:
    """Run the seeds, in this order."""
    forget_libpq_settings()
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    asked = Wishes(**{"schedule": BATON} | json.loads(wishes))
    for record in recorded(list(seeds), asked, fresh=fresh):
        click.echo(json.dumps(record))


if __name__ == "__main__":
    main()
