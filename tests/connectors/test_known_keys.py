"""A key that a table does not have is refused, with what was meant and what there is."""

from __future__ import annotations

import pytest

from connectors.errors import ConfigError
from connectors.known_keys import check_keys


def test_known_keys_are_taken() -> None:
    check_keys({"keep": 1}, ("folder", "keep"), "my.toml: [archive]")


def test_an_unknown_key_is_named_with_its_place_the_likeliest_and_all_that_there_are() -> None:
    with pytest.raises(ConfigError) as error:
        check_keys({"keep": 1, "folde": 2}, ("folder", "keep"), "my.toml: [archive]")
    assert str(error.value) == (
        "my.toml: [archive] unknown key `folde` (did you mean `folder`?); valid keys are `folder`, `keep`"
    )
    with pytest.raises(ConfigError, match=r"^my\.toml: unknown key `x`; valid"):
        check_keys({"x": 1}, ("folder", "keep"), "my.toml:")
