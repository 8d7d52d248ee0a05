"""How this process was started."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from flows.launch import Launch, is_engine


@pytest.fixture
def as_engine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """As under `python -m bytewax.run`."""
    monkeypatch.setitem(sys.modules, "__main__", SimpleNamespace(__spec__=SimpleNamespace(name="bytewax.run")))  # pyright: ignore[reportArgumentType]
    return monkeypatch


def given(monkeypatch: pytest.MonkeyPatch, *options: str) -> Launch:
    monkeypatch.setattr(sys, "argv", ["bytewax.run", "flows.watch:flow", *options])
    return Launch.of_engine()


def test_a_program_that_is_not_the_engine_has_no_options_of_it() -> None:
    assert not is_engine()
    assert Launch.of_engine() == Launch()


def test_the_engines_options_are_read(as_engine: pytest.MonkeyPatch) -> None:
    assert is_engine()
    assert given(as_engine) == Launch()
    assert given(as_engine, "-r", "kept", "-s", "5", "-b", "60") == Launch(Path("kept"))
    assert given(as_engine, "-w", "3").workers == 3


def test_a_cluster_is_led_by_its_first_process(as_engine: pytest.MonkeyPatch) -> None:
    second = given(as_engine, "-i", "1", "-a", "a:1;b:2")
    assert (second.process, second.addresses) == (1, ("a:1", "b:2"))
    assert second.is_cluster
    assert not second.leads
    assert given(as_engine, "-i", "0", "-a", "a:1;b:2").leads


def test_one_process_leads_itself_and_several_workers_are_parallel() -> None:
    assert Launch().leads
    assert not Launch().is_parallel
    assert Launch(workers=2).is_parallel
    assert not Launch(workers=2).is_cluster
    assert Launch(addresses=("a:1", "b:2")).is_parallel
    assert not Launch(addresses=("a:1",)).is_cluster
