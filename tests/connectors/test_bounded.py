from __future__ import annotations

from collections.abc import Sequence

import pytest

from connectors.bounded import bounded


@pytest.mark.parametrize(
    ("sizes", "lists"),
    [
        ([], []),
        ([1, 1, 1], [[1, 1], [1]]),
        ([4, 7, 3, 1], [[4], [7, 3], [1]]),
        ([2, 99, 2], [[2], [99], [2]]),
        ([99], [[99]]),
    ],
)
def test_lists_are_bounded_in_number_and_in_size_but_for_a_single_item(
    sizes: Sequence[int], lists: Sequence[Sequence[int]]
) -> None:
    assert list(bounded(sizes, lambda size: size, most=2, most_size=10)) == lists
