"""`chaos check`: the isolation checker alone, on a history from anywhere; or all the checkers of a
run, on a history that a run has left.

Exit status: 0 the model held, 1 it was violated, 2 wrong usage or a file that is no history (one
line tells it, `chaos check: FILE:LINE: why`), 3 the history cannot tell, 4 it cannot be one that a
run has left. 130 when interrupted.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import IO, Any, Final

import click
from rich.console import Console

from chaos.bundle import HISTORY
from chaos.cli.progress import Progress
from chaos.cli.run import PLAIN_WIDTH, check_out
from chaos.history import read_history
from chaos.oracle import HarnessBroken, load
from chaos.verdict import EXIT_STATUS, Verdict

LIBRARY: Final = "properties.isolation.reporting"
"""What judges. The controller knows it by its name only."""
JUDGING: Final = "properties.judging"
"""All checkers of a run, likewise."""
WORKLOADS: Final = ("list-append", "rw-register")
VERDICTS: Final = {True: Verdict.HELD, False: Verdict.VIOLATED, None: Verdict.NOT_MEASURED}
STYLES: Final = {True: "bold green", False: "bold red", None: "bold yellow"}
BEGIN: Final = "begin"
"""The first event of every run of chaos."""
OURS: Final = ("txn", "rw")
"""Transactions over lists, over registers."""


class Refused(click.ClickException):
    """A file is not what it must be: that is told, and nothing about usage."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """In one line."""
        click.echo(f"chaos check: {self.message}", err=True, file=file)


@click.command()
@click.argument("history", type=click.Path(path_type=Path))
@click.option("--model", default="strict-serializable", show_default=True, metavar="MODEL",
              help="What must have held: read-committed, snapshot-isolation, ...")  # fmt: skip
@click.option("--workload", type=click.Choice(WORKLOADS),
              help="[default: what the operations say]")  # fmt: skip
@click.option("--checkers", is_flag=True,
              help="Ask all checkers of a run instead; HISTORY is what one has left.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object, nothing else.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Write the report there too, as report.txt and report.json.")  # fmt: skip
@click.option("--dot", is_flag=True, help="Draw each witness into DIR, for graphviz.")
@click.option("--svg", is_flag=True, help="Draw each witness into DIR, for a browser.")
def check(
    history: Path,
    model: str,
    workload: str | None,
    checkers: bool,
    as_json: bool,
    out: Path | None,
    dot: bool,
    svg: bool,
) -> None:
    """Say which anomalies HISTORY has, and which isolation it rules out.

    HISTORY is a history of transactions over lists (append and r) or registers (w and r), as Jepsen
    writes it, in EDN or JSON; or the directory that a run of chaos has left.

    The exit status is 0 if the model held, 1 if it was violated, 2 if HISTORY is no history, 3 if
    it cannot tell, and with --checkers 4 if no run can have left it.
    """
    if (dot or svg) and out is None:
        raise click.UsageError("say with --out where the drawings go")
    if checkers and (out is not None or workload is not None):
        raise click.UsageError("--checkers goes with --json alone")
    if checkers:
        sys.exit(_ask_the_checkers(_file_of(history), as_json=as_json))
    if out is not None:
        check_out(out)
    try:
        load(f"{LIBRARY}:canonical")(model)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--model") from error
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    report = _judge(_file_of(history), model, workload, console, is_silent=as_json)
    text: list[str] = load(f"{LIBRARY}:text_of")(report)
    found = load(f"{LIBRARY}:object_of")(report) if as_json or out is not None else None
    if out is not None:
        _write(out, report, text, found, dot=dot, svg=svg)
    if as_json:
        click.echo(json.dumps(found))
    else:
        for number, line in enumerate(text):
            style = STYLES[report.verdict.valid] if number == 0 else ""
            console.print(line, style=style, highlight=False, markup=False, soft_wrap=True)
    _point_to_the_checkers(history, report)
    sys.exit(EXIT_STATUS[VERDICTS[report.verdict.valid]])


def _file_of(history: Path) -> Path:
    """The history itself; of a bundle, the one in it."""
    if not history.exists():
        raise Refused(f"{history}: there is no such file")
    if not history.is_dir():
        return history
    if not (history / HISTORY).exists():
        raise Refused(f"{history}: no directory that a run has left: there is no {HISTORY} in it")
    return history / HISTORY


def _point_to_the_checkers(history: Path, report: Any) -> None:
    """Whoever gave a run that had no lists and no registers wants its other checkers."""
    left_out = report.history.left_out
    if BEGIN in left_out and not report.history.transactions and not {*OURS} & {*left_out}:
        click.echo(
            "The workload of this run has no lists and no registers, so nothing was judged. All"
            f" checkers of a run: chaos check --checkers {shlex.quote(str(history))}",
            err=True,
        )


def _ask_the_checkers(path: Path, *, as_json: bool) -> int:
    """The exit status of what the checkers of a run say of its history."""
    wanted = f"--checkers wants the directory that a run has left, or the {HISTORY} in it"
    try:
        events = read_history(path)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise Refused(f"{path}: not text in UTF-8; {wanted}") from error
    except (ValueError, RecursionError) as error:
        where = next(iter(re.findall(rf"^{re.escape(str(path))}:\d+", str(error))), path)
        raise Refused(f"{where}: not an event of a run's history; {wanted}") from error
    if not events:
        raise Refused(f"{path}: there is no event in it; {wanted}")
    try:
        found = load(f"{JUDGING}:judge")(events)
    except HarnessBroken as broken:
        click.echo(f"{Verdict.HARNESS_BROKEN}: {broken}", err=True)
        return EXIT_STATUS[Verdict.HARNESS_BROKEN]
    verdict = Verdict.HELD if found.held else Verdict.VIOLATED
    if as_json:
        click.echo(json.dumps(found.to_object()))
        return EXIT_STATUS[verdict]
    click.echo(f"{verdict}: {found.events} events, judged by {', '.join(found.checkers)}")
    for violation in found.violations:
        click.echo(f"  {violation.check}: {violation.kind}: {violation.message}")
    return EXIT_STATUS[verdict]


def _judge(
    path: Path, model: str, workload: str | None, console: Console, *, is_silent: bool
) -> Any:
    """The report of the library; a file that it cannot read is wrong usage."""
    try:
        with Progress(console, is_silent=is_silent) as progress:
            return load(f"{LIBRARY}:judge_file")(
                path,
                model=model,
                workload=workload,
                progress=lambda what, done, of: progress.tell(what, done, of, 0),
            )
    except OSError as error:
        raise Refused(f"{path}: {error.strerror or error}") from error
    except load(f"{LIBRARY}:NoHistory") as error:
        raise Refused(str(error)) from error


def _write(out: Path, report: Any, text: list[str], found: Any, *, dot: bool, svg: bool) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "report.txt").write_text("\n".join([*text, ""]), encoding="utf-8")
        (out / "report.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        for name, drawing in load(f"{LIBRARY}:pictures_of")(report, dot=dot, svg=svg):
            (out / name).write_text(drawing, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"{error.filename or out}: {error.strerror or error}") from error
