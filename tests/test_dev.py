"""The script `dev`: says what it can do, and what is wrong, before it installs anything."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def dev(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "dev"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_help_lists_every_verb() -> None:
    answer = dev("--help")
    assert answer.returncode == 0
    listed = set(re.findall(r"^ +\./dev (\w+)", answer.stdout, re.MULTILINE))
    assert listed == {"run", "test", "check", "fix", "bless", "ci"}


def test_an_unknown_verb_is_wrong_usage() -> None:
    answer = dev("frobnicate")
    assert answer.returncode == 2
    assert answer.stderr.endswith("dev: there is no verb 'frobnicate'\n")


def test_no_verb_is_wrong_usage() -> None:
    assert dev().returncode == 2
