"""What the processes of a cluster tell each other, as values."""

from __future__ import annotations

import pytest

from connectors.ending import Ending
from connectors.errors import ConfigError, DBWatchError, HistoryLost, PeerEnded
from connectors.process_ids import ProcessId
from flows.peers import SILENT_S, News, Peers, Report, at_work

HERE = ProcessId("host-a", 1, "boot-a", "1")
NEIGHBOUR = ProcessId("host-a", 2, "boot-a", "2")
ELSEWHERE = ProcessId("host-b", 2, "boot-b", "2")
FIELD = "process:run:1"


def peers(*, gone: bool = False) -> Peers:
    return Peers(run_id="run", number=0, here=HERE, gone=lambda _: gone)


def ending(error: DBWatchError | None = None, *, requested: bool = False, abandoned: bool = False) -> Ending:
    end = Ending()
    if requested:
        end.request()
    if error is not None and abandoned:
        with pytest.raises(type(error)):
            end.abandon(error)
    elif error is not None:
        end.fail(error)
    return end


def report(how: Ending, *, beat: int = 1, done: bool = False, process: ProcessId = NEIGHBOUR) -> str:
    return Report.of(how, beat=beat, process=process, done=done).to_json()


def heard(how: Ending, *, done: bool = False, gone: bool = False) -> News:
    return peers(gone=gone).hear({FIELD: report(how, done=done)}, 0)


def test_a_report_is_read_as_it_was_written() -> None:
    said = Report.of(ending(HistoryLost("gone\n since")), beat=7, process=ELSEWHERE, done=True)
    assert said == Report(7, ELSEWHERE, "failed", done=True, status=2, error="gone since", kind="HistoryLost")
    assert Report.from_json(said.to_json()) == said


def test_as_long_as_the_others_go_on_there_is_no_news() -> None:
    assert heard(ending()) == News("")


def test_an_end_that_one_is_asked_for_is_asked_of_all() -> None:
    assert heard(ending(requested=True)) == News("asked")
    assert heard(ending(), done=True) == News("asked")
    assert heard(ending(requested=True), done=True, gone=True) == News("asked")


@pytest.mark.parametrize("abandoned", [False, True])
def test_an_error_of_one_ends_all_the_same_way_and_with_its_status(*, abandoned: bool) -> None:
    news = heard(ending(ConfigError("a password"), abandoned=abandoned))
    assert news.end == ("abandoned" if abandoned else "failed")
    assert str(news.error) == "process number 1 of the job has ended: a password"
    assert news.error is not None
    assert (news.error.exit_status, news.error.kind) == (2, "ConfigError")


def test_an_error_that_one_has_heard_of_is_passed_on_as_it_is() -> None:
    news = heard(ending(PeerEnded("process number 2 of the job has ended: x", status=3, kind="BadRecord")))
    assert str(news.error) == "process number 2 of the job has ended: x"
    assert news.error is not None
    assert (news.error.exit_status, news.error.kind) == (3, "BadRecord")


def test_a_process_that_is_gone_ends_the_others_at_once() -> None:
    news = heard(ending(), gone=True)
    assert news.end == "abandoned"
    assert str(news.error) == "process number 1 of the job has ended: process 2 on host-a is gone"


def test_a_process_elsewhere_that_says_nothing_for_long_is_taken_for_gone() -> None:
    us = peers()

    def hear(beat: int, now_s: float) -> str:
        return us.hear({FIELD: report(ending(), beat=beat, process=ELSEWHERE)}, now_s).end

    assert {hear(1, float(now_s)) for now_s in range(int(SILENT_S))} == {""}
    assert {hear(2, SILENT_S + now_s) for now_s in range(int(SILENT_S))} == {""}
    assert hear(2, 2 * SILENT_S) == "abandoned"


def test_silence_while_we_heard_nobody_does_not_count() -> None:
    us = peers()
    said = {FIELD: report(ending(), process=ELSEWHERE)}
    assert us.hear(said, 0).end == ""
    assert us.hear(said, 10 * SILENT_S).end == ""


def test_a_neighbour_that_is_paused_is_waited_for() -> None:
    us = peers()
    said = {FIELD: report(ending())}
    assert {us.hear(said, float(now_s)).end for now_s in range(3 * int(SILENT_S))} == {""}


def test_reports_of_oneself_and_of_another_run_do_not_count() -> None:
    failed = report(ending(ConfigError("x")))
    us = peers()
    assert us.field == "process:run:0"
    assert us.hear({us.field: failed, "process:earlier:1": failed, "job_id": "j"}, 0) == News("")


def test_processes_of_the_run_that_writes_are_at_work_until_they_are_done_or_gone() -> None:
    fields = {
        "writer": "run",
        "process:run:0": report(ending(), process=HERE),
        FIELD: report(ending()),
        "process:run:2": report(ending(), done=True, process=ELSEWHERE),
        "process:earlier:1": report(ending(), process=ELSEWHERE),
    }
    assert at_work(fields, lambda process: process == HERE) == [NEIGHBOUR]
    assert at_work({**fields, "writer": ""}, lambda _: False) == []


def test_the_worst_counts() -> None:
    said = {FIELD: report(ending(requested=True)), "process:run:2": report(ending(ConfigError("x")))}
    assert peers().hear(said, 0).end == "failed"
