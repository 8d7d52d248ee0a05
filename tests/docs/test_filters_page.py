"""The page about filters: its examples parse, its limits are those of the code, its Python runs."""

from __future__ import annotations

import re

from dashboard.filters import parse
from dashboard.filters.parser import DEEPEST, LONGEST, MOST_STEPS, OPERATIONS
from tests.docs.pages import blocks, first_cells, section, text_of, without_blocks

PAGE = text_of("filters.md")


def test_every_example_is_a_filter() -> None:
    examples = first_cells(section(PAGE, "What can be written"))
    examples += [example.strip() for example in blocks(PAGE, "")]
    inline = re.findall(r"`([^`\n]+)`", without_blocks(PAGE))
    examples += [text for text in inline if re.search(r"\w+ (!?[=~<>]=?|exists) ?\w*", text)]
    assert len(examples) > 25
    for example in examples:
        parse(example)


def test_the_limits_are_as_said() -> None:
    for limit in (f"{LONGEST:,} characters", f"{DEEPEST} levels", f"{MOST_STEPS} steps"):
        assert limit in " ".join(PAGE.split())
    for name in ("created", "updated", "deleted", "read"):
        assert name in OPERATIONS
        assert name in section(PAGE, "What can be written")


def test_the_python_example_runs() -> None:
    (code,) = blocks(PAGE, "python")
    names: dict[str, object] = {"entry": {"view": "movies", "op": "c", "after": '{"imdb": {"rating": 9}}'}}
    exec(code, names)  # noqa: S102  # our own page
    good = names["good"]
    assert str(good) == "view:movies imdb.rating > 8"
