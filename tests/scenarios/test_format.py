"""What a scenario file may say, and what is told to whoever wrote something else."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.faults.places import parse_fault
from chaos.plan import BATON, FREE, Plan, Wishes, make_plan
from chaos.scenario.format import ScenarioError, parse_scenario, read_scenario
from chaos.scenario.plan_table import plan_tables
from chaos.scenario.steps import Arm, CutPower, Damage, Expected, Kill, Say, Scenario, Victim, Wait
from chaos.scenario.toml_text import toml_text

HEAD = 'hypothesis = "Something holds."\n'
CYCLE = "[workload]\nname = 'bank'\nclients = 2\n[[cycle]]\nsettle = 0\n"
KILL = "fault = { name = 'backend', where = { counter = 'started', count = 1 } }"


def parse(text: str) -> Scenario:
    return parse_scenario(HEAD + text, "x.toml", "x")


def act(step: str) -> object:
    return parse(f"[[step]]\n{step}\n").steps[0].act


def test_a_step_is_what_its_key_says() -> None:
    assert act('session = "a"\nsql = "SELECT 1"\nrows = [[1, "x", true, 1.5]]') == Say(
        "a", "SELECT 1", Expected(rows=(("1", "x", "t", "1.5"),))
    )
    assert act('kill = "backend of a + checkpointer"') == Kill(
        (Victim("backend", "a"), Victim("checkpointer"))
    )
    assert act('arm = "startup redo-record-applied 3: kill all"') == Arm(
        parse_fault("startup redo-record-applied 3: kill all")
    )
    assert act("wait_ms = 20") == Wait(20)
    assert act('power_loss = "draw"') == CutPower("draw")
    assert act('damage = { wal = "end", zeros = 9 }') == Damage({"wal": "end", "zeros": 9})


def test_settings_are_texts_as_the_configuration_file_has_them() -> None:
    scenario = parse(
        "[settings]\nfsync = false\nshared_buffers = '1MB'\nport = 5432\n[[step]]\nwait_ms=1"
    )
    assert scenario.settings == {"fsync": "off", "shared_buffers": "1MB", "port": "5432"}


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"nowhere\.toml: cannot be read"):
        read_scenario(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[step", "x.toml: no TOML"),
        ("", r"x.toml: there must be either \[\[step\]\]s or a \[workload\]"),
        ("[step]\nwait_ms = 1", r"x.toml: step: write \[\[step\]\], not \[step\]"),
        ("[[step]]\n[workload]\nname = 'bank'", "either"),
        ("colour = 1\n[[step]]\nwait_ms = 1", "x.toml: colour: not known here; there are name, "),
        ("targets = ['oracle']\n[[step]]\nwait_ms = 1", "targets: 'oracle' must be one of engine"),
        ("schedule = 'none'\n[[step]]\nwait_ms = 1", "schedule: 'none' must be one of 'baton', "),
        ("seed = -1\n[[step]]\nwait_ms = 1", "seed: -1 must be a whole number"),
        ("bound_s = 0\n[[step]]\nwait_ms = 1", "bound_s: 0 must be a number of seconds"),
        ("wal_segment_mb = 3\n[[step]]\nwait_ms = 1", "wal_segment_mb: 3 must be a power of two"),
        ("schedule = 'free'\n[[step]]\narm = 'time 1s: kill'", "'free' knows no places"),
        ("schedule = 'free'\n[[step]]\npower_loss = 'draw'", "'free' has no disk"),
        ("profile = 'strict'\n[[step]]\nwait_ms = 1", "profile: is about a power loss"),
        ("profile = 'ideal'\n[[step]]\npower_loss = 'draw'", "'ideal' must be one of 'strict', "),
        ("[[step]]\npower_loss = 'all'", "power_loss: 'all' must be one of 'drop-unsynced', "),
        ("[settings]\nx = \"it's\"\n[[step]]\nwait_ms = 1", r"\[settings\]: x: .* without '"),
        ("[[step]]\nwait_ms = 1\n[[step]]", r"\[\[step\]\] 2: a step must have one of session, "),
        ("[[step]]\nwait_ms = 1\nkill = 'all'", "kill and wait_ms are two steps"),
        ("[[step]]\nwait_ms = true", "wait_ms: True must be a whole number"),
        ("[[step]]\nwait_ms = 1\nlog = 'x'", "log: 'x' must be a list of texts"),
        ("[[step]]\nlog = ['(']", r"log: '\(' is no regular expression"),
        ("[[step]]\nsession = 'A'\nsql = ''", "session: 'A' must be a small letter"),
        ("[[step]]\nsession = 'a'", "one of sql, finishes, waits, lost, refused, close"),
        ("[[step]]\nsession = 'a'\nsql = 'COPY t FROM STDIN'", "sql: COPY .* use INSERT"),
        ("[[step]]\nsession = 'a'\nsql = ''\nrows = 1", "rows: 1 must be a list of rows"),
        ("[[step]]\nsession = 'a'\nsql = ''\nrows = []\nlost = true", "rows and lost cannot"),
        ("[[step]]\nsession = 'a'\nsql = ''\nerror = '4001'", "error: '4001' must be an SQLSTATE"),
        ("[[step]]\nsession = 'a'\nsql = ''\nmessage = 'x'", "message: only an error, lost or"),
        ("[[step]]\nsession = 'a'\nsql = ''\nwaits = false", "waits: False must be true"),
        ("[[step]]\nsession = 'a'\nsql = ''\nfinishes = true", "finishes: is about what was sent"),
        ("[[step]]\narm = 'checkpointer fsnyc: kill'", "arm: there is no call 'fsnyc'"),
        ("[[step]]\nkill = 'everybody'", "kill: there is no 'everybody'; there are postmaster, "),
        ("[[step]]\nstop = 'all'", "stop: one process at a time"),
        ("[[step]]\nstart = 'soon'", "start: 'soon' must be one of 'up', 'fails', 'launch'"),
        ("[[step]]\nawait = 'peace'", "await: 'peace' must be one of 'recovery', 'end', 'strike'"),
        ("[[step]]\nshutdown = 'slow'", "shutdown: 'slow' must be one of 'smart', "),
        ("[[step]]\ndamage = { zeros = 1 }", "damage: must say where"),
        ("[[step]]\ndamage = { wal = 'begin', zeros = 1 }", "wal = 'begin' must be \"end\""),
        ("[[step]]\ndamage = { wal = 'end' }", "damage: must have one of hex, zeros, garbage"),
        ("[[step]]\ndamage = { wal = 'end', room = 7 }", "room = 7 must be a multiple of 8"),
        ("[[step]]\ndamage = { wal = 'end', hex = 'x' }", "hex = 'x' must be bytes in hexadecimal"),
        ("[[step]]\ndamage = { wal = 'end', record = {} }", "record.length is missing"),
        (
            "[[step]]\ndamage = { wal = 'end', record = { length = 30, crc = 'bad' } }",
            "record.crc = 'bad' must be \"right\" or \"wrong\"",
        ),
        ("[[step]]\ndamage = { file = '../x', zeros = 1 }", "a path inside the data directory"),
        ("[[step]]\nwait_ms = 1\n[[hold]]\nsql = ''", r"\[\[hold\]\] 1: rows: is missing"),
        ("[workload]\nname = 'shop'", "name: 'shop' must be one of append, bank, counters, mixed"),
        ("[workload]\nname = 'bank'", r"\[workload\]: clients: is missing"),
        ("[workload]\nname = 'bank'\nclients = 'two'", "clients: 'two' must be of the kind int"),
        ("[workload]\nname = 'bank'\nclients = 2\nspeed = 1", r"\[workload\]: speed: not known"),
        (
            f"{CYCLE}fault = {{ name = 'backend', where = {{ counter = 'commits', n = 1 }} }}",
            r"\[\[cycle\]\] 1: fault: where: n: not known here; there are counter, count",
        ),
        (
            f"{CYCLE}{KILL}\ndisturbances = ['backend fly: delay 1ms']",
            r"\[\[cycle\]\] 1: there is no call 'fly'",
        ),
    ],
)  # fmt: skip
def test_what_is_no_scenario_is_told_where_and_why(text: str, complaint: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse(text)
    assert str(caught.value).startswith("x.toml: ")
    assert re.search(complaint, str(caught.value)), str(caught.value)


@pytest.mark.parametrize("schedule", [BATON, FREE])
@pytest.mark.parametrize("seed", range(40))
def test_a_plan_is_the_same_after_it_was_written_as_a_scenario(seed: int, schedule: str) -> None:
    plan = make_plan(seed, Wishes(schedule=schedule, cycles=6))
    assert read_back(plan) == plan


def test_a_plan_with_streams_of_other_seeds_keeps_them() -> None:
    plan = make_plan(3, Wishes())
    mixed = Plan(**{**shallow(plan), "seeds": {**plan.seeds, "workload": 12345}})
    assert read_back(mixed) == mixed != plan


def shallow(plan: Plan) -> dict[str, object]:
    return {name: getattr(plan, name) for name in Plan.__dataclass_fields__}


def read_back(plan: Plan) -> Plan | None:
    head = {"name": "x", "hypothesis": "It holds."}
    return parse_scenario(toml_text(head | plan_tables(plan)), "x.toml", "x").plan


PLAIN = st.one_of(
    st.text(), st.integers(-(2**60), 2**60), st.booleans(), st.floats(allow_nan=False)
)
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(st.dictionaries(st.text(), VALUES))
def test_what_is_written_as_toml_reads_back(table: dict[str, object]) -> None:
    assert tomllib.loads(toml_text(table)) == table
