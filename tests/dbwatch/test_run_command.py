"""`dbwatch run`: what is refused before anything is started. The job itself is tested in `tests/acceptance`."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbwatch.cli import run

CLUSTER = ["-a", "127.0.0.1:1;127.0.0.1:2"]


@pytest.mark.parametrize(
    "options", [[], CLUSTER, [*CLUSTER, "-i", "0"], [*CLUSTER, "-i", "1", "--no-recovery"]], ids=" ".join
)
def test_a_remote_store_is_for_those_that_another_process_keeps_it_for(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dbwatch.toml").write_text("[views.movies]\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert run(["run", "--remote-store", *options]) == 2
    assert "--remote-store is for the processes of a cluster from number 1 on" in capsys.readouterr().err
    assert not (tmp_path / "recovery").exists()
