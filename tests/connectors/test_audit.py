"""The audit, on real servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

from connectors import audit as module
from connectors.audit import LONGEST, Audit, AuditEntry
from connectors.errors import ConfigError, TransientError
from connectors.redis_client import connect
from connectors.settings import Keys
from tests.conftest import REDIS_KINDS


@pytest.fixture(params=REDIS_KINDS)
def redis_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(redis_url: str) -> Iterator[Redis]:
    client = connect(redis_url)
    yield client
    client.close()


@pytest.fixture
def keys(prefix: str) -> Keys:
    return Keys(prefix)


@pytest.fixture
def audit(client: Redis, keys: Keys) -> Audit:
    return Audit(client, keys, now_ms=lambda: 1_700_000_000_000)


def test_an_entry_comes_back_as_it_was_written(audit: Audit) -> None:
    entry = audit.entry("export", who="ann", role="admin", what="12 rows as CSV", address="192.0.2.1")
    assert entry.at_ms == 1_700_000_000_000
    entry_id = audit.write(entry)
    assert audit.page(10) == module.Page(((entry_id, entry),), None)


def test_pages_are_newest_first_and_hold_each_entry_once(audit: Audit) -> None:
    written = [audit.write(audit.entry("users", who=str(number))) for number in range(25)]
    found: list[str] = []
    before: str | None = None
    sizes: list[int] = []
    while True:
        page = audit.page(10, before=before)
        found += [entry_id for entry_id, _ in page.entries]
        sizes.append(len(page.entries))
        audit.write(audit.entry("users", who="later"))
        before = page.older
        if before is None:
            break
    assert found == written[::-1]
    assert sizes == [10, 10, 5]


def test_without_entries_there_is_one_empty_page(audit: Audit) -> None:
    assert audit.page(10) == module.Page((), None)


def test_it_is_bounded(audit: Audit, client: Redis, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAXLEN", 100)
    for number in range(400):
        audit.write(audit.entry("users", who=str(number)))
    assert 100 <= int(client.xlen(keys.audit)) < 300
    assert audit.page(1).entries[0][1].who == "399"


def test_texts_are_cut(audit: Audit) -> None:
    audit.write(audit.entry("export", who="ann", what="x" * 10_000))
    assert audit.page(1).entries[0][1].what == "x" * LONGEST


def test_what_somebody_else_wrote_is_shown_as_far_as_it_can_be_read(audit: Audit, client: Redis, keys: Keys) -> None:
    client.xadd(keys.audit, {"who": "eve", "at_ms": "yesterday"}, id="1600000000000-0")
    ((_, entry),) = audit.page(1).entries
    assert entry == AuditEntry(1_600_000_000_000, "eve", "", "", "", "", "")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("count", [0, -1, 1001])
def test_a_page_of_no_size_is_refused(audit: Audit, count: int) -> None:
    with pytest.raises(ConfigError, match="a number of entries from 1 to 1000"):
        audit.page(count)


@pytest.mark.parametrize("before", ["", "x", "5", "5-", "-5", "+", "1-1 2", "٣-١", "9" * 21 + "-0"])
def test_a_page_before_no_entry_is_refused(audit: Audit, before: str) -> None:
    with pytest.raises(ConfigError, match="expected an entry's id"):
        audit.page(1, before=before)


def test_a_server_that_is_away_is_a_transient_error(keys: Keys) -> None:
    away = Audit(connect("redis://127.0.0.1:1/0"), keys)
    with pytest.raises(TransientError):
        away.write(away.entry("sign-out", who="ann"))
    with pytest.raises(TransientError):
        away.page(1)
