"""The sky's values: `orbits.js`, imported by a browser."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from dashboard.assets import FOLDER

pytestmark = pytest.mark.browser

STAGE = {"x": 100, "y": 10, "width": 300, "height": 50}


@pytest.fixture(scope="module")
def blank(chromium: Browser) -> Iterator[Page]:
    page = chromium.new_page()
    text = (FOLDER / "orbits.js").read_text(encoding="utf-8")
    page.evaluate(
        "async (text) => { window.orbits = await import(`data:text/javascript,${encodeURIComponent(text)}`) }", text
    )
    yield page
    page.close()


@pytest.mark.parametrize("made", ["stars(7, 50)", "constellations(7, 5)", "meteor(7, 3.2, 3)"])
def test_the_same_seed_makes_the_same_sky_and_another_one_another(blank: Page, made: str) -> None:
    first, again = blank.evaluate(f"[orbits.{made}, orbits.{made}]")
    assert first == again
    assert first is not None
    assert blank.evaluate(f"orbits.{made.replace('7', '8', 1)}") != first


def test_a_constellations_threads_join_all_its_stars_once(blank: Page) -> None:
    for group in blank.evaluate("orbits.constellations(1999, 8)"):
        joined = {0}
        for start, end in group["lines"]:
            assert start in joined
            assert end not in joined
            joined.add(end)
        assert joined == set(range(len(group["points"])))


def test_a_planet_is_as_fast_as_its_view_changes(blank: Page) -> None:
    speeds: list[float] = blank.evaluate("[0, 0.2, 1, 10, 100, 5000].map(orbits.speed)")
    assert speeds == sorted(set(speeds))
    assert speeds[0] > 0
    assert blank.evaluate("[orbits.speed(1e9), orbits.speed(-1)]") == [speeds[-1], speeds[0]]
    moved: list[list[Any]] = blank.evaluate(
        """(() => {
            const made = orbits.planets(["calm", "busy"], 8)
            const before = orbits.advanced(new Map(), made, {}, 0)
            const after = orbits.advanced(before, made, {busy: 500, calm: 0.1}, 0.5)
            return made.map(({view}) => [view, (after.get(view) - before.get(view) + 7) % (2 * Math.PI)])
        })()"""
    )
    assert [view for view, _ in sorted(moved, key=lambda of: of[1])] == ["calm", "busy"]


def test_angles_do_not_depend_on_how_often_the_sky_is_drawn(blank: Page) -> None:
    once, often = blank.evaluate(
        """(() => {
            const made = orbits.planets(["movies"], 8)
            const begin = orbits.advanced(new Map(), made, {}, 0)
            let often = begin
            for (let i = 0; i < 100; i++) often = orbits.advanced(often, made, {movies: 40}, 0.01)
            return [orbits.advanced(begin, made, {movies: 40}, 1).get("movies"), often.get("movies")]
        })()"""
    )
    assert often == pytest.approx(once)


def test_planets_keep_their_place_and_share_no_colour_while_there_are_some_left(blank: Page) -> None:
    views = [f"view {n}" for n in range(12)]
    made: list[dict[str, Any]] = blank.evaluate("(views) => orbits.planets(views, 8)", views)
    assert blank.evaluate("(views) => orbits.planets(views, 8)", views[::-1]) == made
    assert len({planet["colour"] for planet in made[:8]}) == 8
    assert [planet["orbit"] for planet in made] == list(range(12))
    alone: list[dict[str, Any]] = blank.evaluate("(views) => orbits.planets(views, 8)", views[:1])
    assert {alone[0]["colour"], alone[0]["pattern"]} == {made[0]["colour"], made[0]["pattern"]}


@pytest.mark.parametrize("count", [1, 2, 24])
def test_planets_stay_on_their_stage(blank: Page, count: int) -> None:
    places: list[dict[str, float]] = blank.evaluate(
        """([count, stage]) => orbits.planets(Array.from({length: count}, (_, i) => `v${i}`), 8).flatMap((planet) =>
            Array.from({length: 64}, (_, i) => orbits.placeOf(planet, i / 10, stage)))""",
        [count, STAGE],
    )
    for place in places:
        assert STAGE["x"] <= place["x"] <= STAGE["x"] + STAGE["width"]
        assert STAGE["y"] <= place["y"] <= STAGE["y"] + STAGE["height"]
        assert 0 <= place["near"] <= 1


def test_a_shooting_star_is_rare_and_one_comes_when_called(blank: Page) -> None:
    seen: list[Any] = blank.evaluate("Array.from({length: 6000}, (_, i) => orbits.meteor(1999, i / 10))")
    flying = sum(found is not None for found in seen) / len(seen)
    assert 0.02 < flying < 0.15
    called: list[Any] = blank.evaluate(
        "[100, 100.5, 101, 101.2].map((t) => orbits.meteor(5, t, 100)?.brightness ?? null)"
    )
    assert called[1] > 0.9
    assert all(brightness is not None for brightness in called[:3])


def test_a_burst_is_many_times_what_was_usual(blank: Page) -> None:
    assert blank.evaluate(
        "[[100, 10], [100, 60], [5, 0], [20, 0]].map(([rate, usual]) => orbits.isBurst(rate, usual))"
    ) == [*(True, False, False, True)]
    usual: float = blank.evaluate("Array.from({length: 60}).reduce((n) => orbits.usualNow(n, 50), null)")
    assert usual == 50


def test_a_deletes_ring_goes_out_and_ends(blank: Page) -> None:
    begun, later, over = blank.evaluate("[orbits.pulse(0), orbits.pulse(0.5), orbits.pulse(1)]")
    assert over is None
    assert begun["reach"] < later["reach"]
    assert begun["brightness"] > later["brightness"] > 0


def test_the_sky_gives_way_to_a_busy_page_and_comes_back(blank: Page) -> None:
    slower: list[float] = blank.evaluate(
        """(() => {
            const slower = [1]
            for (const gapMs of [50, 50, 50, 25, 16, 16, 16, 16]) slower.push(orbits.slowdown(gapMs, slower.at(-1)))
            return slower
        })()"""
    )
    assert slower == [1, 2, 4, 8, 8, 4, 2, 1, 1]
    assert blank.evaluate("orbits.slowdown(500, 16)") == 16


def test_stars_turn_slowly_and_twinkle_within_bounds(blank: Page) -> None:
    now, later = blank.evaluate("[0, 1].map((t) => orbits.turned([0.5, 1], t, {width: 1000, height: 800}))")
    assert 0 < math.dist(now, later) < 5
    lit: list[float] = blank.evaluate(
        "orbits.stars(1, 40).flatMap((star) => [0, 1, 2, 3].map((t) => orbits.twinkle(star, t)))"
    )
    assert all(0 < brightness <= 1 for brightness in lit)
