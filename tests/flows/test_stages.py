"""The stages in order, and the shards that they work on."""

from __future__ import annotations

import pytest

from connectors.joined_rows import NO_REFERENCE
from flows.join import values
from flows.join.messages import Candidate, CandidateChange
from flows.join.plan import KEYS
from flows.join.rows import RowShard
from flows.join.stages import ShardsOfKind, shards_of, stages_of
from flows.join.values import ValueShard
from tests.flows.joining import MOVIE, PLAN, USER, answered, applied, begun, ended, passing, position, version


def test_the_stages_are_numbered_in_order_and_have_the_names_that_state_is_kept_under() -> None:
    stages = stages_of(PLAN)
    assert [stage.number for stage in stages] == list(range(KEYS, PLAN.out))
    assert [stage.name for stage in stages] == ["keys", "values_1", "values_2", "rows"]
    assert [stage.kind for stage in stages] == ["rows", "values_1", "values_2", "rows"]
    assert list(shards_of(PLAN)) == ["rows", "values_1", "values_2"]


def test_of_the_stages_of_a_kind_only_the_last_ends_the_epoch() -> None:
    last = {stage.kind: stage.name for stage in stages_of(PLAN)}
    assert {stage.name for stage in stages_of(PLAN) if stage.ends_epoch} == set(last.values())


def test_a_shard_comes_into_being_when_it_is_asked_for_and_stays() -> None:
    kinds = shards_of(PLAN)
    rows = kinds["rows"]
    assert rows.names == []
    assert rows.get("07") is rows.get("07") is not rows.get("08")
    assert rows.names == ["07", "08"]
    assert rows.levels("07") is rows.get("07").levels
    assert isinstance(rows.get("07"), RowShard)
    assert isinstance(kinds["values_2"].get("07"), ValueShard)
    with pytest.raises(KeyError):
        rows.levels("09")


def test_each_stage_of_values_has_the_lookups_that_are_answered_in_it() -> None:
    kinds = shards_of(PLAN)
    shard = kinds[f"values_{USER.stage}"].get("00")
    assert isinstance(shard, ValueShard)
    with pytest.raises(KeyError):
        applied(shard, passing(1, "c", '"m"'))  # its movie is asked for in the stage before


def test_a_shard_that_nothing_is_known_of_counts_nothing() -> None:
    for stage in stages_of(PLAN):
        shard = shards_of(PLAN)[stage.kind].get("00")
        assert (stage.entries(shard), stage.pending(shard)) == (0, 0)
        shard.close()


def test_what_the_stages_count_is_what_is_kept_and_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    keys, values_1, values_2, rows = stages_of(PLAN)
    kinds = shards_of(PLAN)
    of_rows, movies, users = (kinds[stage.kind].get("00") for stage in (rows, values_1, values_2))
    assert isinstance(of_rows, RowShard)
    assert isinstance(movies, ValueShard)
    monkeypatch.setattr(values, "SLICE", 1)
    begun(of_rows, CandidateChange(USER.number, "u", '"a"', "{}", position(1), 1))
    ended(of_rows, answered(version(2, "c", None), NO_REFERENCE, NO_REFERENCE))
    ended(of_rows, answered(version(3, "d", None), NO_REFERENCE, NO_REFERENCE, turn=2))
    applied(movies, passing(3, "c", '"m"'), passing(3, "d", '"m"'), passing(3, "e", '"n"'))
    applied(movies, Candidate(MOVIE.number, '"m"', "m", "{}", position(4), 4))
    counts = [
        (stage.entries(shard), stage.pending(shard))
        for stage, shard in ((keys, of_rows), (values_1, movies), (values_2, users), (rows, of_rows))
    ]
    assert counts == [(1, 0), (1, 1), (0, 0), (1, 1)]


def test_a_shard_is_made_by_reading_its_slots_back_and_goes_on_when_all_are_there() -> None:
    old = shards_of(PLAN)["values_1"]
    shard = old.get("05")
    assert isinstance(shard, ValueShard)
    applied(shard, passing(1, "c", '"m"'))
    resumed: ShardsOfKind = shards_of(PLAN)["values_1"]
    for level in shard.levels.to_write():
        assert resumed.names == [] or resumed.levels("05").waits
        resumed.restore("05", level, shard.levels.written(level))
    assert not resumed.levels("05").waits
