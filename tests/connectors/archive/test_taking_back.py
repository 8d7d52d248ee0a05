"""What a restart takes back of files that hold more than it takes back."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from connectors.archive.compaction import compact, groups
from connectors.archive.listing import contents, opened
from connectors.archive.taking_back import take_back
from connectors.errors import ConfigError
from tests.connectors.archive.archives import HOUR_S, Archive, at, change


def test_a_segment_that_was_made_shorter_tells_when_its_bytes_have_changed(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    for number in range(3):
        archive.commit([change(f"{number}.{one}", at(number, one)) for one in range(20)])
    archive.progress(at(2 * HOUR_S))
    for group in groups(tmp_path, archive.chapter.name):
        compact(tmp_path, group)
    take_back(archive.folder, 0, 2)
    (shorter,) = contents(tmp_path, archive.chapter.name).files
    with opened(shorter) as parquet:
        assert parquet.read().num_rows == 40
    whole = shorter.path.read_bytes()
    for place in _ends_of_columns(shorter.path):
        shorter.path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ConfigError, match="cannot be read"), opened(shorter) as parquet:
            parquet.read()


def _ends_of_columns(file: Path) -> list[int]:
    """The last byte of each column's values."""
    group = pq.read_metadata(file).row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    starts = [column.dictionary_page_offset or column.data_page_offset for column in columns]
    return [start + column.total_compressed_size - 1 for start, column in zip(starts, columns, strict=True)]
