"""How verdicts look."""

from __future__ import annotations

import json

from dbwatch.doctor.lines import json_of, lines_of, outcome_of
from dbwatch.doctor.verdicts import Verdict

WRONG = Verdict("fail", "redis memory", "allkeys-lru throws streams away when memory is short", ("CONFIG SET x y; z",))
WELL = Verdict("ok", "mongodb", "replica set rs0")


def test_a_line_has_a_mark_and_what_mends_it_below() -> None:
    assert list(lines_of(WRONG, None)) == [
        "FAIL  redis memory: allkeys-lru throws streams away when memory is short",
        "      > CONFIG SET x y; z",
    ]


def test_a_narrow_terminal_gets_narrow_lines_but_whole_commands() -> None:
    lines = list(lines_of(WRONG._replace(mend=("x" * 60,)), 40))
    assert lines[0] == "FAIL  redis memory: allkeys-lru throws"
    assert all(len(line) <= 40 for line in lines[:-1])
    assert lines[-1].endswith("x" * 60)


def test_a_text_of_several_lines_is_one() -> None:
    assert list(lines_of(Verdict("ok", "c", "a\n  b"), None)) == ["ok    c: a b"]


def test_the_outcome_counts() -> None:
    verdicts = [WELL, WELL, WRONG, Verdict("warn", "a", ""), Verdict("unknown", "b", "")]
    assert outcome_of(verdicts) == "2 ok, 1 to look at, 1 failed, 1 not allowed to see"
    assert outcome_of([WELL]) == "1 ok"


def test_json_says_whether_anything_fails() -> None:
    value = json.loads(json_of([WELL, WRONG]))
    assert value["ok"] is False
    assert value["checks"][1] == WRONG._asdict() | {"mend": ["CONFIG SET x y; z"]}
    assert json.loads(json_of([WELL]))["ok"] is True
