"""House rules that no linter knows. Each message names the cure."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.tidy.source import ROOT, complain, parsed, project_files, python_files, relative

LONGEST_FILE = 600
"""Lines. The aim is 100 to 400; tables of data are exempt by name."""

TABLES_OF_DATA = frozenset({"engine/errors.py", "engine/config.py"})

VAGUE_NAMES = frozenset(
    ["util", "utils", "common", "helper", "helpers", "manager", "misc", "tools", "core"]
)

LOCK_FILES = frozenset({"uv.lock", "poetry.lock", "pdm.lock", "package-lock.json", "yarn.lock"})

MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|Users|root|work|mnt|workspace)/[\w.-]+")


ACTS_BY_ITSELF = frozenset(
    [
        "asyncio",
        "chaos.targets.processes.has_stopped",
        "chaos.targets.processes.is_running",
        "chaos.targets.processes.send",
        "chaos.targets.processes.state_of",
        "chaos.targets.processes.title_of",
        "chaos.waiting.free",
        "os",
        "sched",
        "select",
        "selectors",
        "threading",
        "time",
    ]
)
"""What waits, tells the time or signals processes without asking the target and its Waiting."""


def test_files_are_about_one_idea() -> None:
    problems = []
    for path in python_files("engine", "chaos", "properties", "tests"):
        length = len(path.read_text(encoding="utf-8").splitlines())
        if length > LONGEST_FILE and str(relative(path)) not in TABLES_OF_DATA:
            problems.append(f"{relative(path)}: {length} lines")
    complain(problems, f"split at the second idea; at most {LONGEST_FILE} lines, better 400.")


def test_names_of_files_say_what_is_inside() -> None:
    problems = [
        str(relative(path))
        for path in python_files("engine", "chaos", "properties", "tests")
        if VAGUE_NAMES & {*relative(path).parent.parts, path.stem}
    ]
    complain(problems, "name the file after the one thing that it holds.")


def test_every_package_has_an_init_file() -> None:
    directories = {path.parent for path in python_files()}
    problems = [
        str(relative(directory))
        for directory in sorted(directories)
        if not (directory / "__init__.py").exists()
    ]
    complain(
        problems, "add an __init__.py with a docstring: without it mypy and the wheel miss it."
    )


def test_every_file_postpones_the_evaluation_of_annotations() -> None:
    problems = []
    for path in python_files("engine", "chaos", "properties", "tests"):
        tree = parsed(path)
        only_exports = path.name == "__init__.py" or len(tree.body) <= 1
        first = next((node for node in tree.body if isinstance(node, ast.ImportFrom)), None)
        if not only_exports and (first is None or first.module != "__future__"):
            problems.append(str(relative(path)))
    complain(problems, "begin with: from __future__ import annotations")


def mutable_values(tree: ast.Module) -> list[tuple[int, str]]:
    """Assignments at module level that hold something mutable and are not constants by name."""
    found = []
    for node in tree.body:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        literal = isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp)
        call = isinstance(value, ast.Call) and isinstance(value.func, ast.Name)
        made = call and value.func.id in ("list", "dict", "set", "bytearray", "defaultdict")
        if not (literal or made):
            continue
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        found += [(node.lineno, name) for name in names if not name.strip("_").isupper()]
    return found


def test_engine_has_no_module_level_mutable_state() -> None:
    problems = []
    for path in python_files("engine"):
        for line, name in mutable_values(parsed(path)):
            if name != "__all__":
                problems.append(f"{relative(path)}:{line}: {name}")
        problems += [
            f"{relative(path)}:{node.lineno}: global {', '.join(node.names)}"
            for node in ast.walk(parsed(path))
            if isinstance(node, ast.Global)
        ]
    complain(
        problems,
        "keep it in an object that main() makes and passes on; a table that never changes has an "
        "UPPER_CASE name.",
    )


def test_nothing_loops_over_a_set() -> None:
    problems = [
        f"{relative(path)}:{node.iter.lineno}"
        for path in python_files()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.For | ast.comprehension) and is_a_set(node.iter)
    ]
    complain(problems, "a set's order differs from run to run: loop over sorted(...) of it.")


def is_a_set(node: ast.expr) -> bool:
    """Whether an expression is a set on the face of it."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in ("set", "frozenset")
    return isinstance(node, ast.Set | ast.SetComp)


def text_of(path: Path) -> str:
    """A file's text; empty if it is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def test_the_controller_waits_and_looks_at_the_clock_only_through_its_waiting() -> None:
    names = ("driver", "probe", "reaction", "run", "history", "connection", "oracle")
    files = [ROOT / "chaos" / f"{name}.py" for name in names]
    problems = []
    for path in [*files, *sorted((ROOT / "chaos" / "faults").glob("*.py"))]:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Import):
                found = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                found = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            else:
                continue
            problems += [
                f"{relative(path)}:{node.lineno}: imports {module}"
                for module in found
                if module in ACTS_BY_ITSELF
            ]
    complain(
        problems,
        "ask the Waiting that the target brings along (chaos/waiting/api.py): under a schedule of "
        "our own time is virtual. What is done to processes are methods of the target.",
    )


def test_no_path_of_somebodys_machine_is_committed() -> None:
    problems = []
    for path in project_files():
        for number, line in enumerate(text_of(path).splitlines(), 1):
            if (found := MACHINE_PATH.search(line)) and path != Path(__file__):
                problems.append(f"{relative(path)}:{number}: {found[0]}")
    complain(problems, "write it relative to the project or to a temporary directory.")


def test_no_lock_file_is_committed() -> None:
    problems = [str(relative(path)) for path in project_files() if path.name in LOCK_FILES]
    complain(problems, "remove it: it carries the address of somebody's package registry.")


def test_scripts_are_executable() -> None:
    scripts = [ROOT / "dev", ROOT / ".ci" / "run"]
    problems = [str(relative(path)) for path in scripts if not path.stat().st_mode & 0o100]
    complain(problems, "chmod +x, and commit the mode.")
