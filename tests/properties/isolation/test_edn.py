"""EDN is read as it is meant, by the fast way and the slow way alike; and written so that it can be
read again.
"""

from __future__ import annotations

import contextlib
import re
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from properties.isolation import edn
from properties.isolation.edn import MalformedEdn, read_forms, to_edn


def read(text: str) -> list[Any]:
    return [form for _, form in read_forms(text.splitlines(keepends=True))]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("nil", None),
        ("true", True),
        ("false", False),
        ("-17", -17),
        ("+3", 3),
        ("12345678901234567890123N", 12345678901234567890123),
        ("1.5e3", 1500.0),
        ("2.50M", 2.5),
        ("1/2", 0.5),
        ("##-Inf", float("-inf")),
        (":append", ":append"),
        (":jepsen.history/op", ":jepsen.history/op"),
        ("symbol", "symbol"),
        ('"a \\"quoted\\"\\n\\u00e9 string"', 'a "quoted"\n\xe9 string'),
        ('"a string\nof two lines"', "a string\nof two lines"),
        ("\\a", "a"),
        ("\\newline", "\n"),
        ("\\u0041", "A"),
        ("#{1 2 3}", [1, 2, 3]),
        ("{:a (1 [2 ()])}", {"a": [1, [2, []]]}),
        ('{"a" 1, :b 2, 3 4, [5] 6}', {"a": 1, "b": 2, 3: 4, "[5]": 6}),
        ('#inst "2026-01-01"', "2026-01-01"),
        ("#jepsen.history.Op{:type :ok}", {"type": ":ok"}),
        ("#a #b {:c #d 1}", {"c": 1}),
        ("{:a #_ 1 2 #_#_ 3 4}", {"a": 2}),
        ("; a comment\n{:a ; another\n 1}", {"a": 1}),
        ("{:a,1,:b,,2}", {"a": 1, "b": 2}),
    ],
)
def test_a_form_is_read(text: str, value: Any) -> None:
    assert read(text) == [value]


def test_the_elements_of_the_vector_around_everything_are_forms() -> None:
    assert read("[{:a 1}\n {:b [2]}] {:c 3}") == [{"a": 1}, {"b": [2]}, {"c": 3}]


def test_a_form_has_the_line_that_it_begins_on() -> None:
    lines = ["\n", "{:a\n", "1} {:b 2}\n", "{:type :ok}\n"]
    assert [line for line, _ in read_forms(lines)] == [2, 3, 4]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("{:a 1", 1, "ends before"),
        ("{:a 1}\n}", 2, "closes nothing"),
        ("{:a [1 2}", 1, "'[' was opened on line 1"),
        ("{:a}", 1, "key without a value"),
        ('{:a "never ended}', 1, "a string has no end"),
        ('"\\q"', 1, "unknown escape"),
        ("12abc", 1, "is no number"),
        ("1/0", 1, "cannot be read"),
        ("9" * 5000, 1, "cannot be read"),
        (":", 1, "without a name"),
        ("##Foo", 1, "is no number"),
        ("{:a 1}\n#", 2, "no meaning"),
        ("[#tag]", 1, "closes nothing"),
    ],
)
def test_what_is_no_edn_is_refused_with_its_line(text: str, line: int, said: str) -> None:
    with pytest.raises(MalformedEdn, match=re.escape(said)) as refused:
        read(text)
    assert refused.value.line == line


USUAL = "{:index 3, :time 7, :type :ok, :process 1, :f :txn, :value [[:append 3 1] [:r 4 [1 2]]]}"


@pytest.mark.parametrize(
    "line",
    [
        USUAL,
        f"  #jepsen.history.Op{USUAL}",
        "{:type :invoke, :f :txn, :value [[:r :x nil] [:append :nil 2]], :process :nemesis}",
        "{:type :info :f :start :value nil}",
        "{:type :ok, :value [[:append :vanilla 1] [:r :null nil] [:r :x nil]]}",
        "{:type  :ok,  :value [ [:w 1 2] ]}",
        "{:type :okay, :f :txn-2, :value {:type :ok}}",
        "{:type :ok, :value [[:append :type 3] [:r :r []]]}",
        "{:value [NaN true -1.5e3 007 a/b]}",
        "{:a:b :c:d}",
        "{:type :ok} ; a comment",
        '{:type :ok, :error [:timeout "at 3"]}',
    ],
)
def test_the_fast_way_reads_no_line_otherwise_than_the_slow_one(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def way() -> list[Any] | str:
        try:
            return [repr(form) for form in read(line)]
        except MalformedEdn as error:
            return str(error)

    by_both = way()
    monkeypatch.setattr(edn, "_read_usual", lambda _: None)
    assert by_both == way()


def test_usual_lines_take_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edn._Reader, "feed", None)
    assert read(USUAL)[0]["value"] == [[":append", 3, 1], [":r", 4, [1, 2]]]


words = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=5)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | words.map(":{}".format)
    | st.text(max_size=8).filter(lambda text: not text.startswith(":")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(words, values, max_size=4), max_size=4))
def test_what_is_written_is_read_again(forms: list[Any]) -> None:
    lines = [to_edn(form) + "\n" for form in forms]
    assert [form for _, form in read_forms(lines)] == forms


@given(st.text("{}[]()#_;:\\\"'nilrw12 ,\n", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(MalformedEdn):
        assert isinstance(read(text), list)


def test_values_within_values_are_read_however_deep() -> None:
    form = read("{:a " * 50_000 + "1" + "}" * 50_000)[0]
    depth = 0
    while isinstance(form, dict):
        form, depth = form["a"], depth + 1
    assert depth == 50_000
