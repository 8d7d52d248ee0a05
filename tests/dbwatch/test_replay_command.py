"""`dbwatch replay` before anything runs: its folder, its bar, its lines, and what is wrong in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from connectors.archive.replay_source import ReplayProgress
from connectors.errors import ConfigError, Stopped
from dbwatch.cli import INTERRUPTED
from dbwatch.commands.replay import command
from dbwatch.replay_folder import clear, drop_unused, made
from dbwatch.replay_lines import json_line, text_lines
from dbwatch.replay_progress import Rate, text_of
from flows.recovery import label_store, make_store
from flows.replaying.note import Note, drop_note, write_note
from flows.replaying.request import Request
from flows.replaying.tally import Summary
from flows.snapshots import META

ASKED = {"from": "", "until": ""}
DONE = Summary({"films": 1200, "users": 3}, 7, 0, 1210, 1_790_000_000_000, 1_790_000_060_000, finished=True, took_s=2.0)


def test_an_earlier_calls_folder_is_used_again_for_what_it_was_asked_only(tmp_path: Path) -> None:
    recovery = made(tmp_path / "a", ASKED, None)
    (recovery / "used").touch()
    assert (made(tmp_path / "a", ASKED, None) / "used").exists()
    with pytest.raises(ConfigError, match=r"begun with --until \(none\), not 15m"):
        made(tmp_path / "a", {**ASKED, "until": "15m"}, None)


def test_a_copy_that_was_cut_off_is_made_again(tmp_path: Path) -> None:
    recovery = made(tmp_path / "a", ASKED, None)
    (recovery / "left").touch()
    (tmp_path / "a" / "replay.json").unlink()
    assert not (made(tmp_path / "a", ASKED, None) / "left").exists()


def test_a_folder_that_was_used_stays_though_nothing_says_what_was_asked_for(tmp_path: Path) -> None:
    """As when `replay.json` was lost, or a job was begun in the folder."""
    recovery = made(tmp_path / "a", ASKED, None)
    (tmp_path / "a" / "replay.json").unlink()
    write_note(recovery, Note("a", "id", "", "", {}))
    with pytest.raises(ConfigError, match=r"it holds the state of a replay.*give this one another --name"):
        made(tmp_path / "a", ASKED, None)
    drop_note(recovery)
    label_store(recovery, job_id="id", run_id="run")
    with pytest.raises(ConfigError, match=r"it holds the state of a job.*give this one another --name"):
        made(tmp_path / "a", ASKED, None)
    assert (recovery / "part-0.sqlite3").exists()


def test_a_copy_has_the_state_and_the_label_and_the_job_keeps_its_own(tmp_path: Path) -> None:
    own = tmp_path / "recovery"
    make_store(own)
    label_store(own, job_id="job", run_id="run")
    with pytest.raises(ConfigError, match="the job's own"):
        made(tmp_path / "a", ASKED, own)
    (own / META).touch()  # now it is a snapshot
    recovery = made(tmp_path / "a", ASKED, own)
    kept = {file.name for file in recovery.iterdir() if not file.name.startswith("part-0.sqlite3")}
    assert kept == {"dbwatch.json"}


def test_what_no_replay_has_used_goes_and_what_a_job_uses_stays(tmp_path: Path) -> None:
    recovery = made(tmp_path / "a", ASKED, None)
    drop_unused(tmp_path / "a")
    assert not recovery.exists()
    recovery = made(tmp_path / "a", ASKED, None)
    write_note(recovery, Note("a", "id", "", "", {}))
    label_store(recovery, job_id="id", run_id="run")
    drop_unused(tmp_path / "a")
    assert recovery.exists()
    (recovery / "dbwatch.replay.json").unlink()  # as a job does that goes on
    with pytest.raises(ConfigError, match="a job goes on after the replay"):
        clear(tmp_path / "a")
    assert recovery.exists()


def test_a_line_tells_how_far_it_is_how_fast_and_how_long_it_takes() -> None:
    rate = Rate(clock=iter([0.0, 2.0]).__next__)
    rate.add(0)
    progress = ReplayProgress(10_000, 50_000, 1_790_000_000_000, tail=False)
    text = text_of(progress, rate.add(10_000))
    assert text == "replaying: 5,000/s, 0:00:10 left, 10,000 of about 60,000 changes, at 2026-09-21T14:13:20Z"
    assert text.index(" left") < 40, "rate and time left are seen beside the bar in a narrow terminal"
    assert "from MongoDB's log" in text_of(progress._replace(tail=True, left=0), 0.0)


def test_a_terminal_of_80_columns_shows_bar_rate_and_time_left() -> None:
    code = (
        "from dbwatch.replay_progress import replay_progress as shown\n"
        "from connectors.archive.replay_source import ReplayProgress as P\n"
        "import time\n"
        "with shown() as tell:\n"
        "    tell(P(0, 60_000, 1_790_000_000_000, tail=False)); time.sleep(0.6)\n"
        "    tell(P(10_000, 50_000, 1_790_000_000_000, tail=False)); time.sleep(0.3)\n"
    )
    ours, theirs = os.openpty()
    env = {**os.environ, "COLUMNS": "80", "TERM": "xterm"}
    done = subprocess.run([sys.executable, "-c", code], stderr=theirs, env=env, timeout=60, check=True)
    shown = os.read(ours, 1 << 16).decode()
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 0
    assert "left, 10,000 of about 60,000" in shown
    assert "\u2501" in shown


def test_at_its_end_it_says_what_was_written_and_what_to_do_next() -> None:
    lines = list(text_lines(DONE, Request("mine"), ["p:replay:mine"], Path("replays/mine/recovery")))
    assert lines[0] == "replay mine: 1,203 records written to p:replay:mine (films 1,200, users 3)"
    assert lines[1] == "  1,210 changes read, 7 duplicates left out"
    assert lines[2] == "  2026-09-21T14:13:20Z to 2026-09-21T14:14:20Z, in 2.0 s"
    assert "dbwatch run -r replays/mine/recovery" in lines[3]
    assert "start the job as usual" in list(text_lines(DONE, Request("m", into="changes"), ["p:changes"], Path()))[3]
    assert "goes on from here" in list(text_lines(DONE._replace(finished=False), Request("m"), ["s"], Path()))[3]
    shards = [f"p:changes:{number}" for number in range(3)]
    assert "written to p:changes:0 … p:changes:2 (" in next(text_lines(DONE, Request("m"), shards, Path()))
    value: dict[str, Any] = json.loads(json_line(DONE))
    assert (value["written"], value["finished"]) == ({"films": 1200, "users": 3}, True)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--name", "a/b"], "cannot be a replay's name"),
        (["--from", "none"], "snapshot none: not found"),
        ([], "there is no archive to replay"),
        (["--config", "none.toml"], "none.toml: no such file"),
    ],
)
def test_what_is_wrong_is_one_line_and_leaves_nothing(args: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "dbwatch.toml").write_text("[views.films]\n")
    env = {name: value for name, value in os.environ.items() if not name.startswith("DBWATCH_")}
    command = [sys.executable, "-m", "dbwatch", "replay", *args]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "replays" / "replay").exists()


def nothing(*_: object) -> None:
    pass


def test_a_stop_while_it_starts_is_not_taken_for_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def waits(*_: object) -> None:
        raise Stopped

    monkeypatch.setattr("flows.replay.prepare", waits)
    monkeypatch.setattr("flows.process.end_on_signals", nothing)
    (tmp_path / "views.toml").write_text("[views.films]\n")
    args = ["--folder", str(tmp_path / "replays"), "--config", str(tmp_path / "views.toml")]
    found = CliRunner().invoke(command, args, standalone_mode=False)
    assert (found.exception, found.return_value) == (None, INTERRUPTED)
