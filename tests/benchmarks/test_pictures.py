"""The documentation's pictures of the dashboard."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.pictures import PICTURES, Picture, encoded

IMAGES = Path(__file__).parents[2] / "docs" / "img"


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_each_is_there_in_its_size_and_not_too_large(picture: Picture) -> None:
    path = IMAGES / f"{picture.name}.png"
    with Image.open(path) as image:
        assert image.size == (picture.width, picture.height)
    assert path.stat().st_size <= 400_000


def test_one_that_would_be_too_large_keeps_fewer_shades() -> None:
    noise = Image.frombytes("RGB", (420, 420), random.Random(1).randbytes(529_200))
    plain = Image.new("RGB", (500, 500), "#123456")
    assert len(encoded(noise)) <= 400_000
    with Image.open(io.BytesIO(encoded(plain))) as image:
        assert image.getpixel((0, 0)) == (0x12, 0x34, 0x56)
