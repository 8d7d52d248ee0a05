"""`dbwatch run`: what is refused before anything is started. The job itself is tested in `tests/acceptance`."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbwatch.cli import run
from dbwatch.replay_folder import check_not_of_a_replay, made
from flows.recovery import label_store, make_store, partition_files

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


@pytest.mark.parametrize(
    ("recovery", "says"),
    [
        ("replays/v3/recovery", "there is no replay v3 in replays, which has v2, v4; name the folder of one of these"),
        ("replays/v3", "there is no replay v3 in replays, which has v2, v4"),
        ("replays/v2", "it is that of the replay v2, whose recovery folder is replays/v2/recovery"),
        ("replays/v2/recover", "it is not that of the replay v2, which is replays/v2/recovery"),
        ("replays/v4/recovery", "the replay v4 has no recovery folder any more"),
    ],
)
def test_a_mistyped_folder_of_a_replay_does_not_begin_a_new_job_in_silence(
    recovery: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dbwatch.toml").write_text("[views.movies]\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name in ("v2", "v4"):
        made(Path("replays") / name, {}, None)
    Path("replays/v4/recovery").rename("elsewhere")
    before = sorted(tmp_path.rglob("*"))
    assert run(["run", "-r", recovery]) == 2
    error = capsys.readouterr().err
    assert (says in error, error.count("\n")) == (True, 1), error
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_beside_replays_that_is_none_of_theirs_is_made(tmp_path: Path) -> None:
    home = tmp_path / "home"  # so that beside it there is nothing of another test
    made(home / "replays" / "v2", {}, None)
    check_not_of_a_replay(home / "replays" / "v2" / "recovery")
    check_not_of_a_replay(home / "recovery")
    check_not_of_a_replay(home / "replays-of-mine" / "recovery")
    made(home / "v3", {}, None)
    (home / "dbwatch.toml").touch()  # a folder of more than replays
    check_not_of_a_replay(home / "recovery")
    check_not_of_a_replay(home / "mine" / "recovery")


def test_a_folder_whose_label_tells_of_a_job_is_not_made_anew_when_its_partitions_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dbwatch.toml").write_text("[views.movies]\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    recovery = tmp_path / "recovery"
    make_store(recovery)
    label_store(recovery, job_id="job", run_id="run")
    for file in partition_files(recovery):
        file.unlink()
    assert run(["run"]) == 2
    assert "its partition files are gone, and dbwatch.json says that a job has used it" in capsys.readouterr().err
    assert not partition_files(recovery)
