"""The table `[archive]`: what is taken, what wins, what is refused and with which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connectors.archive.settings import ArchiveSettings, parse_archive
from connectors.errors import ConfigError
from connectors.settings import Settings

WEEK_MS = 7 * 86_400_000


def test_without_table_and_setting_there_is_no_archive() -> None:
    assert parse_archive({}, None) is None


def test_an_empty_table_means_the_defaults() -> None:
    assert parse_archive({"archive": {}}, None) == ArchiveSettings(Path("archive"), WEEK_MS, None)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"folder": "/var/past"}, ArchiveSettings(Path("/var/past"), WEEK_MS, None)),
        ({"keep": "90m"}, ArchiveSettings(Path("archive"), 5_400_000, None)),
        ({"keep": "2w", "max_size": "1.5TB"}, ArchiveSettings(Path("archive"), 2 * WEEK_MS, 1_500_000_000_000)),
        ({"keep": "forever", "max_size": "500 MB"}, ArchiveSettings(Path("archive"), None, 500_000_000)),
        ({"enabled": False}, None),
    ],
)
def test_the_table_says_where_how_long_and_how_much(table: dict[str, Any], expected: ArchiveSettings | None) -> None:
    assert parse_archive({"archive": table}, None) == expected


def test_the_setting_wins_over_folder_and_enabled_and_leaves_the_rest() -> None:
    table = {"archive": {"folder": "a", "keep": "1h", "enabled": False}}
    assert parse_archive(table, "/b") == ArchiveSettings(Path("/b"), 3_600_000, None)
    assert parse_archive({}, "/b") == ArchiveSettings(Path("/b"), WEEK_MS, None)
    assert parse_archive({"archive": {}}, "off") is None
    assert parse_archive({"archive": {}}, " OFF ") is None


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (True, r"`archive` must be a table, found True; write it as \[archive\]"),
        ({"kept": "7d"}, r"\[archive\] unknown key `kept` \(did you mean `keep`\?\); valid keys are `folder`, "),
        ({"folder": ""}, r"\[archive\] folder: expected the name of a folder as text, found ''"),
        ({"folder": ["a"]}, r"\[archive\] folder: expected the name of a folder as text, found 'list'"),
        ({"keep": "7"}, r'\[archive\] keep: expected an age such as "90m", .* or "forever", found \'7\''),
        ({"keep": "0d"}, r"\[archive\] keep: expected an age"),
        ({"keep": "999999999w"}, r"\[archive\] keep: expected an age"),
        ({"keep": 7}, r"\[archive\] keep: .*, found 7"),
        ({"max_size": "20"}, r'\[archive\] max_size: expected a size such as "500MB", .*; leave it out for no limit'),
        ({"max_size": "0GB"}, r"\[archive\] max_size: expected a size"),
        ({"max_size": 20}, r"\[archive\] max_size: .*, found 20"),
        ({"enabled": "yes"}, r"\[archive\] enabled: expected true or false, found 'yes'"),
    ],
)
@pytest.mark.parametrize("override", [None, "off"])
def test_what_cannot_be_is_named_with_file_key_and_what_was_expected(
    archive: object, said: str, override: str | None
) -> None:
    with pytest.raises(ConfigError, match=rf"^my\.toml: {said}"):
        parse_archive({"archive": archive}, override, file="my.toml")


def test_the_setting_is_read_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBWATCH_ARCHIVE", "")
    assert Settings.load(folder=tmp_path).archive is None
    monkeypatch.setenv("DBWATCH_ARCHIVE", "off")
    assert Settings.load(folder=tmp_path).archive == "off"
