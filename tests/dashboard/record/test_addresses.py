"""The addresses of records and histories in the page's URL."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import ConfigError
from dashboard.record.addresses import HistoryAddress, RecordAddress

TEXTS = st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=40)


@given(st.integers(0, 15), st.integers(0, 1 << 64), st.integers(0, 1 << 64))
def test_the_address_of_a_record_leads_back_to_it(stream: int, ms: int, seq: int) -> None:
    address = RecordAddress(stream, f"{ms}-{seq}")
    (text,) = parse_qs(address.query.removeprefix("?"))["record"]
    assert RecordAddress.from_text(text, streams=16) == address


def test_an_address_is_readable() -> None:
    assert RecordAddress(0, "1763760000000-0").query == "?record=0/1763760000000-0"
    assert HistoryAddress("movies", "573a1390f29313caabcd42e8").query == "?history=movies/573a1390f29313caabcd42e8"


@pytest.mark.parametrize(
    "text", ["", "0", "0/", "0/1", "x/1-0", "-1/1-0", "0/1-0 ", "0/1-0\n", "٠/1-0", "0/" + "9" * 50]
)
def test_what_is_no_address_of_a_record_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ConfigError, match="is no address of a record; expected"):
        RecordAddress.from_text(text, streams=1)


def test_a_stream_that_is_not_there_is_said_not_to_be() -> None:
    with pytest.raises(ConfigError, match="this feed has one stream, number 0"):
        RecordAddress.from_text("1/1-0", streams=1)
    with pytest.raises(ConfigError, match="this feed has 3 streams, numbers 0 to 2"):
        RecordAddress.from_text("3/1-0", streams=3)


@given(TEXTS.filter(bool), TEXTS)
def test_the_address_of_a_history_leads_back_to_it_whatever_is_in_its_names(view: str, key: str) -> None:
    address = HistoryAddress(view, key)
    (text,) = parse_qs(address.query.removeprefix("?"), keep_blank_values=True)["history"]
    assert HistoryAddress.from_text(text) == address


@pytest.mark.parametrize("text", ["", "movies", "/key", "movies/" + "x" * 5_000])
def test_what_is_no_address_of_a_history_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ConfigError, match="is no address of a history; expected"):
        HistoryAddress.from_text(text)
