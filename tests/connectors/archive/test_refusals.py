"""Whose fault it is that a file cannot be read, and what to do."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.archive.refusals import refused
from tests.connectors.archive.limits import only_more_handles

FILE = Path("archive/part.parquet")


@pytest.mark.parametrize(
    ("number", "way_out"),
    [(errno.EACCES, "let this user read it"), (errno.EMFILE, "ulimit -n"), (errno.ENFILE, "fs.file-max")],
)
def test_what_the_system_refuses_is_told_with_its_reason_and_its_own_way_out(number: int, way_out: str) -> None:
    said = str(refused(FILE, OSError(number, os.strerror(number))))
    assert str(FILE) in said
    assert os.strerror(number) in said
    assert way_out in said


def test_the_library_says_which_reason_it_is(tmp_path: Path) -> None:
    file = tmp_path / "one.parquet"
    pq.write_table(pa.table({"a": [1]}), file)
    with only_more_handles(0), file.open("rb"), pytest.raises(OSError, match="Too many open files") as failed:
        pq.ParquetFile(file)
    assert "ulimit -n" in str(refused(file, failed.value))


def test_a_file_whose_contents_are_wrong_is_not_excused(tmp_path: Path) -> None:
    file = tmp_path / "one.parquet"
    file.write_bytes(b"PAR1 and nothing else PAR1")
    with pytest.raises((OSError, ValueError)) as failed:
        pq.ParquetFile(file)
    assert refused(file, failed.value) is None
    assert refused(file, OSError(errno.EIO, os.strerror(errno.EIO))) is None
