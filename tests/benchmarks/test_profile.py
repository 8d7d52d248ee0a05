"""Where the job's time goes, as py-spy's samples tell it."""

from __future__ import annotations

from benchmarks.profile import summary

FOLDED = """\
thread (0x1): "MainThread";<module> (run.py);apply (/x/flows/join/rows.py);loads (/y/site-packages/bson/__init__.py) 30
thread (0x2): "dbwatch tail-0";_run (connectors/mongo_reader.py);change_of (connectors/mongo_events.py) 50
<module> (run.py);write_batch (connectors/redis_streams.py);append (connectors/output_stream.py) 15
<module> (run.py) 5
<module> (run.py);_find_and_load (<frozen importlib._bootstrap>) 70
<module> (run.py);flow (flows/watch.py);prepare (flows/watch.py);check (connectors/mongo_checks.py) 9
not a stack
"""


def test_a_sample_belongs_to_the_innermost_stage_and_the_beginning_is_left_out() -> None:
    found = summary(FOLDED)
    assert found["samples"] == 100
    assert dict(found["stages"]) == {
        "source: reading and decoding": 50,
        "join": 30,
        "sink: order, writing to Redis": 15,
        "engine: routing, snapshots of state, its own operators": 5,
    }


def test_functions_are_counted_for_themselves_and_named_by_their_package() -> None:
    assert summary(FOLDED)["functions"][:2] == [
        ("change_of (connectors/mongo_events.py)", 50),
        ("loads (bson/__init__.py)", 30),
    ]
