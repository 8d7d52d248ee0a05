"""Dead letters as lines."""

from __future__ import annotations

import json

from connectors.dead_letters import DeadLetter
from connectors.letters import Letter
from dbwatch.letter_lines import json_line, table, whole

LETTER = Letter(
    "5-0", 1_700_000_000_000, DeadLetter("read", "films", "k" * 40, "c", "p", 5, "e" * 99, '{"ns":{"a":1}}')
)
NAMELESS = Letter("55-0", 0, LETTER.letter._replace(key="", collection="f"))


def test_a_table_has_its_columns_below_each_other_and_the_error_whole() -> None:
    head, first, second = table([LETTER, NAMELESS])
    assert {line.index("read") for line in (first, second)} == {head.index("stage")}
    assert first.endswith("e" * 99)
    assert "k" * 27 + "…" in first
    assert "2023-11-14T22:13:20Z" in first
    assert "(not decodable)" in second


def test_json_holds_everything_with_the_event_as_a_value() -> None:
    value = json.loads(json_line(LETTER))
    assert (value["id"], value["at"], value["event"]) == ("5-0", "2023-11-14T22:13:20Z", {"ns": {"a": 1}})
    assert set(value) == {"id", "at", *DeadLetter._fields}
    broken = LETTER._replace(letter=LETTER.letter._replace(event="{"))
    assert json.loads(json_line(broken))["event"] == "{"


def test_a_letter_shown_whole_has_its_event_laid_out() -> None:
    lines = whole(LETTER).split("\n")
    assert f"key         {'k' * 40}" in lines
    assert lines[lines.index("event") + 1 :] == ["{", '  "ns": {', '    "a": 1', "  }", "}"]
