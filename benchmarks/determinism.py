"""Is the same seed the same run? Many seeds, each several times, each time in other circumstances.

    python -m benchmarks.determinism --seeds 1..200 --out determinism.jsonl

Each seed runs as usual, and then once beside busy loops on every CPU, once elsewhere (directory,
environment, umask, hash seed, open descriptors) with the seeds in reverse order, and once as
another user with a launcher of its own. What is compared: the digest of the steps, the history,
the server's logs and every byte and mode of the data directory. Every run is a line of the file
`--out`, and those that are there already are not done again, so it can be interrupted. The exit
status is 1 when a run differs, could not be done, or two seeds made the same run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from benchmarks.circumstances import CIRCUMSTANCES, NotHere, Start
from chaos.versions import source_digest

COMPARED: Final = ("digest", "history", "logs", "data")
RECORDER: Final = "benchmarks.recorded_runs"
SOURCES: Final = ("engine", "chaos", "properties")
REVERSED: Final = ("elsewhere",)
FRESH: Final = ("another user",)
"""A launcher for each seed."""


class Records:
    """The runs that were done, in a file: those of these sources and wishes only."""

    def __init__(self, path: Path, wishes: str) -> None:
        self._path = path
        self._mark = " ".join([*(source_digest(name) for name in SOURCES), wishes])
        self._lock = threading.Lock()
        self.runs: dict[tuple[str, int], dict[str, Any]] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                self._take(json.loads(line))

    def _take(self, record: dict[str, Any]) -> None:
        if record["mark"] == self._mark:
            self.runs[record["circumstances"], record["seed"]] = record

    def add(self, circumstances: str, record: dict[str, Any]) -> None:
        """Write it down at once."""
        record |= {"circumstances": circumstances, "mark": self._mark}
        with self._lock:
            self._take(record)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")


def measure(
    name: str, start: Start, seeds: Sequence[int], jobs: int, wishes: str, records: Records
) -> None:
    """Run the seeds that are not recorded yet, several at once, each recorder on one CPU."""
    cpus = sorted(os.sched_getaffinity(0))
    options = ["--wishes", wishes, *(["--fresh"] if name in FRESH else [])]
    threads = []
    for number in range(min(jobs, len(seeds))):
        pin = ["--cpu", str(cpus[number % len(cpus)])]
        asked = [str(seed) for seed in seeds[number::jobs]]
        process = start([RECORDER, *pin, *options, *asked])
        threads.append(threading.Thread(target=_read, args=(name, process, records)))
        threads[-1].start()
    for thread in threads:
        thread.join()


def _read(name: str, process: subprocess.Popen[str], records: Records) -> None:
    for line in process.stdout or ():
        records.add(name, json.loads(line))
    process.wait()


def report(seeds: Sequence[int], names: Iterable[str], records: Records, console: Console) -> bool:
    """The table, and each difference; whether all is as it must be."""
    table = Table(title=f"{len(seeds)} seeds, compared with the run as usual")
    for column in ("circumstances", "runs", *(f"equal: {one}" for one in COMPARED), "s per run"):
        table.add_column(column, justify="left" if column == "circumstances" else "right")
    is_well = True
    for name in names:
        done = [records.runs[key] for seed in seeds if (key := (name, seed)) in records.runs]
        equal = dict.fromkeys(COMPARED, 0)
        for run in done:
            first = records.runs.get(("usual", run["seed"]))
            for what in COMPARED:
                if first is not None and first[what] == run[what]:
                    equal[what] += 1
                else:
                    is_well = False
                    console.print(f"seed {run['seed']}, {name}: {what} differs")
        is_well = is_well and len(done) == len(seeds)
        seconds = f"{sum(run['seconds'] for run in done) / len(done):.2f}" if done else "-"
        counts = [str(equal[what]) for what in COMPARED]
        table.add_row(name, str(len(done)), *counts, seconds)
    console.print(table)
    usual = [records.runs[key] for seed in seeds if (key := ("usual", seed)) in records.runs]
    different = len({run["digest"] for run in usual})
    console.print(f"different runs among {len(usual)} seeds: {different}")
    verdicts: dict[str, int] = {}
    for run in usual:
        verdicts[run["verdict"]] = verdicts.get(run["verdict"], 0) + 1
    console.print(f"verdicts: {verdicts}; steps: {sum(run['steps'] for run in usual):,}")
    return is_well and different == len(usual)


def _seeds(text: str) -> list[int]:
    first, _, last = text.partition("..")
    return list(range(int(first), int(last or first) + 1))


@click.command()
@click.option("--seeds", default="1..200", show_default=True, metavar="A..B")
@click.option("--jobs", default=len(os.sched_getaffinity(0)), show_default=True)
@click.option(
    "--out", default="determinism.jsonl", show_default=True, type=click.Path(path_type=Path)
)
@click.option("--circumstances", "only", multiple=True, type=click.Choice(list(CIRCUMSTANCES)))
@click.option("--wishes", default="{}", help="Of chaos.plan.Wishes, as JSON.")
def main(seeds: str, jobs: int, out: Path, only: tuple[str, ...], wishes: str) -> None:
    """Measure what is not measured yet, then print the table."""
    console = Console()
    asked, records = _seeds(seeds), Records(out, wishes)
    names = ["usual", *(name for name in CIRCUMSTANCES if name in only or not only)]
    names = list(dict.fromkeys(names))
    for name in list(names):
        left = [seed for seed in asked if (name, seed) not in records.runs]
        left = left[::-1] if name in REVERSED else left
        try:
            if left:
                with CIRCUMSTANCES[name]() as start:
                    measure(name, start, left, jobs, wishes, records)
        except NotHere as reason:
            console.print(f"{name}: not measured: {reason}")
            names.remove(name)
    sys.exit(0 if report(asked, names, records, console) else 1)


if __name__ == "__main__":
    main()
