"""Every script prints what it printed when it was blessed."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from tests.scripts.runner.play import Player
from tests.scripts.runner.script import ScriptError, parse, render
from tests.server import Server

HERE = Path(__file__).parent
SCRIPTS = sorted(HERE.glob("*/*.script"))


@pytest.mark.parametrize("path", SCRIPTS, ids=[f"{p.parent.name}/{p.stem}" for p in SCRIPTS])
def test_script(path: Path, server: Server, bless: bool) -> None:
    written = path.read_text()
    try:
        printed = render(Player(server).play(parse(written)))
    except ScriptError as error:
        pytest.fail(str(error), pytrace=False)
    if bless:
        if printed != written:
            path.write_text(printed)
        return
    difference = difflib.unified_diff(
        written.splitlines(), printed.splitlines(), "golden", "printed", lineterm="", n=6
    )
    text = "\n".join(difference)
    if text:
        pytest.fail(f"{text}\n\n(./dev bless tests/scripts rewrites the script)", pytrace=False)
