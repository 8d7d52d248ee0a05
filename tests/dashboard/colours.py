"""The colours of `theme.css` as values, and WCAG's formula for their contrast."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_DECLARATION = re.compile(r"--([\w-]+)\s*:\s*([^;]+);")
_LIGHT_DARK = re.compile(r"light-dark\((#\w+), (#\w+)\)")
_HEX = re.compile(r"#(?:[0-9a-f]{6}|[0-9a-f]{8})", re.IGNORECASE)


class Colour(NamedTuple):
    """Red, green and blue from 0 to 255, alpha from 0 to 1."""

    red: float
    green: float
    blue: float
    alpha: float = 1.0

    @classmethod
    def from_text(cls, text: str) -> Colour:
        """Raises `ValueError` for anything but #rrggbb and #rrggbbaa."""
        if not _HEX.fullmatch(text):
            raise ValueError(f"{text!r} is no colour of the form #rrggbb or #rrggbbaa")
        red, green, blue, alpha = bytes.fromhex(text[1:].ljust(8, "f"))
        return cls(red, green, blue, alpha / 255)

    def over(self, below: Colour) -> Colour:
        """What is seen of this one above an opaque one."""
        assert below.alpha == 1
        parts = zip(self[:3], below[:3], strict=True)
        return Colour(*(above * self.alpha + under * (1 - self.alpha) for above, under in parts))

    @property
    def luminance(self) -> float:
        """Relative luminance as WCAG 2.1 defines it, of an opaque colour."""
        red, green, blue = (_linear(part / 255) for part in self[:3])
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue


Palette = Mapping[str, Colour]


def contrast(one: Colour, other: Colour) -> float:
    """From 1 (the same) to 21 (black on white)."""
    darker, lighter = sorted((one.luminance, other.luminance))
    return (lighter + 0.05) / (darker + 0.05)


def palettes(css: str) -> dict[str, Palette]:
    """The colours by name of each look: `cosmos`, `light` and `dark`."""
    cosmos: dict[str, str] = {}
    plain: dict[str, str] = {}
    for selector, body in _RULE.findall(_COMMENT.sub("", css)):
        declared: list[tuple[str, str]] = _DECLARATION.findall(body)
        (plain if "data-look" in selector else cosmos).update((name, value.strip()) for name, value in declared)
    light = {name: _LIGHT_DARK.sub(r"\1", value) for name, value in plain.items()}
    dark = {name: _LIGHT_DARK.sub(r"\2", value) for name, value in plain.items()}
    looks = {"cosmos": cosmos, "light": cosmos | light, "dark": cosmos | dark}
    return {look: _colours(values) for look, values in looks.items()}


def _colours(values: Mapping[str, str]) -> Palette:
    return {name: Colour.from_text(value) for name, value in values.items() if value.startswith("#")}


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
