"""What each role may do."""

from __future__ import annotations

from typing import get_args

import pytest

from connectors.errors import Forbidden
from connectors.passwords import ROLES
from dashboard.access.permissions import _DOING as DOING  # pyright: ignore[reportPrivateUsage]
from dashboard.access.permissions import ALLOWED, EXPORT_ROWS, Action, allowed, require


@pytest.mark.parametrize("action", ["replay", "settings", "audit"])
def test_what_a_viewer_may_not_do_is_refused_in_words(action: Action) -> None:
    with pytest.raises(Forbidden, match=r"your role, viewer, may not .*; it takes the role admin") as raised:
        require("viewer", action)
    assert "\n" not in str(raised.value)


def test_both_see_and_export_and_an_admin_does_all() -> None:
    for role in ROLES:
        require(role, "see")
        require(role, "export")
    assert ALLOWED["admin"] == {*get_args(Action)}
    assert not allowed("viewer", "audit")


def test_every_role_and_every_action_is_spoken_for() -> None:
    assert {*ALLOWED} == {*EXPORT_ROWS} == {*ROLES}
    assert {*DOING} == {*get_args(Action)}
