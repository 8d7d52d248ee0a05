"""How high the bars of the timeline are: `heights.js`, imported by a browser."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from dashboard.assets import FOLDER

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def blank(chromium: Browser) -> Iterator[Page]:
    page = chromium.new_page()
    text = (FOLDER / "heights.js").read_text(encoding="utf-8")
    page.evaluate(
        "async (text) => { window.heights = await import(`data:text/javascript,${encodeURIComponent(text)}`) }", text
    )
    yield page
    page.close()


def _heights(page: Page, *bars: dict[str, int]) -> dict[str, Any]:
    return page.evaluate("(bars) => heights.heights(bars, ['c', 'u', 'd'])", list(bars))


def _whole(bar: dict[str, Any]) -> float:
    return sum(bar["parts"].values())


def test_a_bar_is_as_high_as_the_root_of_what_it_holds_and_divided_by_kind(blank: Page) -> None:
    found = _heights(blank, {"c": 300, "u": 100}, {"d": 100})
    assert found["bars"][0]["parts"] == {"c": 0.75, "u": 0.25}
    assert math.isclose(_whole(found["bars"][1]), 0.5)
    assert (found["highest"], found["ofChanges"], found["cut"]) == (400, True, 0)


def test_the_first_read_is_cut_off_and_does_not_make_changes_small(blank: Page) -> None:
    found = _heights(blank, {"r": 100_000}, {"u": 5}, {"r": 3, "c": 1})
    assert [bar["cut"] for bar in found["bars"]] == [True, False, False]
    assert [_whole(bar) for bar in found["bars"][:2]] == [1, 1]
    assert (found["highest"], found["cut"]) == (5, 100_000)


def test_the_first_read_sets_the_scale_where_there_is_nothing_else(blank: Page) -> None:
    found = _heights(blank, {"r": 400}, {"r": 100})
    assert [(_whole(bar), bar["cut"]) for bar in found["bars"]] == [(1, False), (0.5, False)]
    assert (found["highest"], found["ofChanges"], found["cut"]) == (400, False, 0)


def test_what_is_little_can_be_seen_and_what_is_nothing_cannot(blank: Page) -> None:
    little, nothing, _ = _heights(blank, {"u": 1}, {}, {"u": 1_000_000})["bars"]
    assert _whole(little) >= 0.05
    assert _whole(nothing) == 0
    assert _heights(blank)["highest"] == 0
