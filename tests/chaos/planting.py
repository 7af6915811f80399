"""Bugs planted into the engine from outside, in the processes of a test and nowhere else.

A `sitecustomize` in a directory of PYTHONPATH, which the launcher inherits, replaces a function
once its module is imported.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_SITECUSTOMIZE: Final = '''
"""Planted for a test."""
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder


def plant(module):
    {patch}


class Planter(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "{module}":
            return None
        spec = PathFinder.find_spec(name, path)
        exec_module = spec.loader.exec_module

        def execute(found):
            exec_module(found)
            plant(found)

        spec.loader.exec_module = execute
        return spec


sys.meta_path.insert(0, Planter())
'''

BUGS: Final = {
    "answer_before_flush": (
        "engine.transaction.outcome",
        """
    commit = module.OutcomeRecorder.commit
    def early(self, xid, dropped, *, is_synchronous):
        return commit(self, xid, dropped, is_synchronous=False)
    module.OutcomeRecorder.commit = early
    """,
    ),
}
"""Each mirrors a line of the catalogue of real bugs: the module, and what to do to it."""


def plant(directory: Path, bug: str) -> str:
    """Write the bug into a directory; the PYTHONPATH with it."""
    module, patch = BUGS[bug]
    directory.mkdir(parents=True, exist_ok=True)
    text = _SITECUSTOMIZE.format(module=module, patch=patch.strip())
    (directory / "sitecustomize.py").write_text(text, encoding="utf-8")
    return str(directory)
