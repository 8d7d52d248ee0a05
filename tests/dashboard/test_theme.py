"""Colours and contrast of every look, computed from the styles themselves."""

from __future__ import annotations

import re
from itertools import product

import pytest

from dashboard.assets import FOLDER
from tests.dashboard.colours import Colour, Palette, contrast, palettes

CSS = (FOLDER / "theme.css").read_text(encoding="utf-8")
PALETTES = palettes(CSS)
TEXTS = (
    *("ink", "ink-soft", "ink-faint", "accent"),
    *("created", "updated", "deleted", "caused", "live", "busy", "held", "down"),
)
TINTS = ("hover", "fresh")
AA_TEXT = 4.5
AA_PARTS = 3.0
BLACK = Colour(0, 0, 0)
WHITE = Colour(255, 255, 255)


def skies(look: str, palette: Palette) -> dict[str, Colour]:
    """All that may be below a panel: in the plain looks the sky is one colour, in the cosmos things are in it."""
    grounds = {name: palette[name] for name in ("sky", "sky-far")}
    if look != "cosmos":
        return grounds
    things = {name: value for name, value in palette.items() if re.fullmatch(r"(star|sun|planet-\d)", name)}
    clouds = {name: value for name, value in palette.items() if name.startswith("nebula-")}
    return {
        **grounds,
        **{
            f"{cloud} over {name}": clouds[cloud].over(ground)
            for cloud, (name, ground) in product(clouds, grounds.items())
        },
        **things,
    }


def grounds(look: str) -> dict[str, Colour]:
    """Every colour on which text stands, by what it is made of."""
    palette = PALETTES[look]
    below = skies(look, palette)
    panels = {f"panel over {name}": palette["panel"].over(colour) for name, colour in below.items()}
    opaque = {name: palette[name] for name in ("panel-head", "drawer", "field")}
    plain = panels | opaque
    tinted = {f"{tint} on {name}": palette[tint].over(plain[name]) for tint, name in product(TINTS, plain)}
    clear = {name: colour for name, colour in below.items() if "sky" in name}
    return plain | tinted | clear


def test_contrast_is_that_of_wcag() -> None:
    assert contrast(BLACK, WHITE) == pytest.approx(21)
    assert contrast(Colour.from_text("#777777"), WHITE) == pytest.approx(4.48, abs=0.01)
    assert Colour.from_text("#ffffff80").over(BLACK).red == pytest.approx(128, abs=0.5)


@pytest.mark.parametrize("look", PALETTES)
@pytest.mark.parametrize("text", TEXTS)
def test_every_text_is_readable_on_every_ground(look: str, text: str) -> None:
    ink = PALETTES[look][text]
    poor = {name: round(contrast(ink, ground), 2) for name, ground in grounds(look).items()}
    assert {name: ratio for name, ratio in poor.items() if ratio < AA_TEXT} == {}


@pytest.mark.parametrize("look", PALETTES)
def test_text_on_a_filled_button_is_readable(look: str) -> None:
    assert contrast(PALETTES[look]["accent-ink"], PALETTES[look]["accent"]) >= AA_TEXT


@pytest.mark.parametrize("look", PALETTES)
def test_fields_and_the_ring_of_focus_stand_out(look: str) -> None:
    palette = PALETTES[look]
    for name, ground in grounds(look).items():
        assert contrast(palette["accent"], ground) >= AA_PARTS, f"the ring of focus on {name}"
    for name in ("field", "drawer", "panel-head"):
        assert contrast(palette["field-edge"], palette[name]) >= AA_PARTS, f"the edge of a field on {name}"


def test_the_plain_looks_name_every_colour_that_is_used_outside_the_sky() -> None:
    _, plain = CSS.split(":root:is(", 1)
    named = set(re.findall(r"--([\w-]+):", plain))
    assert set(PALETTES["cosmos"]) - named == {
        name for name in PALETTES["cosmos"] if re.fullmatch(r"(star|thread|sun|nebula-\d|planet-\d)", name)
    }


def test_styles_take_their_colours_from_the_theme() -> None:
    colour = re.compile(r"#[0-9a-fA-F]{3,8}\b(?=[\s;,)])|\b(?:rgb|hsl|oklch)a?\(")
    found: dict[str, list[str]] = {}
    for path in sorted(FOLDER.glob("*.css")):
        if path.name != "theme.css" and (given := colour.findall(path.read_text(encoding="utf-8"))):
            found[path.name] = given
    assert found == {}
