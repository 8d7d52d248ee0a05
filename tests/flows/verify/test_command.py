"""Choosing what is compared."""

from __future__ import annotations

import pytest

from connectors.errors import ConfigError
from flows.verify.command import chosen_views
from flows.views import parse_views

VIEWS = parse_views({"views": {"movies": {}, "people": {"collection": "users", "mask": ["password"]}}})


def test_all_views_are_compared_unless_some_are_named() -> None:
    assert chosen_views(VIEWS, ()) == VIEWS
    assert [view.name for view in chosen_views(VIEWS, ("people",)).views] == ["people"]


def test_a_mask_holds_also_when_its_view_is_not_compared() -> None:
    assert chosen_views(VIEWS, ("movies",)).masks["users"] == ("password",)


def test_an_unknown_view_is_named_with_the_choices() -> None:
    with pytest.raises(ConfigError, match=r"'movie' \(did you mean 'movies'\?\); the views are movies, people"):
        chosen_views(VIEWS, ("movie",))
