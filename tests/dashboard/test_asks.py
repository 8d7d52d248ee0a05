"""Questions of a page, answered one by one; anything may come from a browser."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from redis.asyncio import Redis

from connectors.accounts import Session
from connectors.errors import ConfigError
from connectors.settings import Keys
from dashboard.asks import MOST_AT_ONCE, Ask, Desk, Question

VISITOR = Session("id", "trinity", "viewer")


async def echo(ask: Ask) -> object:
    ask.progress(0.5)
    return {"who": ask.visitor.name, **ask.args}


async def never(_ask: Ask) -> object:
    await asyncio.Event().wait()
    raise AssertionError


async def wrong(_ask: Ask) -> object:
    raise ConfigError("n is 7; a text was expected")


async def broken(_ask: Ask) -> object:
    raise ZeroDivisionError


QUESTIONS = {name.__name__: Question("see", name) for name in (echo, never, wrong, broken)}
QUESTIONS["secret"] = Question("audit", echo)


def told(*messages: Mapping[str, Any], turns: int = 5) -> tuple[list[bool], list[dict[str, Any]]]:
    """What a desk takes, and what it tells."""

    async def run() -> tuple[list[bool], list[dict[str, Any]]]:
        said: list[str] = []
        client = Redis()
        desk = Desk(QUESTIONS, lambda: VISITOR, lambda: (client, Keys("p")), said.append)
        taken: list[bool] = []
        for message in messages:
            taken.append(desk.take(message))
            for _ in range(turns):
                await asyncio.sleep(0)
        desk.close()
        await asyncio.sleep(0)
        await client.aclose()
        return taken, [json.loads(text) for text in said]

    return asyncio.run(run())


def test_a_question_gets_its_progress_and_one_answer() -> None:
    _, said = told({"ask": 7, "what": "echo", "args": {"a": 1}})
    assert said == [
        {"type": "progress", "to": 7, "value": 0.5},
        {"type": "answer", "to": 7, "value": {"who": "trinity", "a": 1}},
    ]


def test_what_goes_wrong_is_told_in_a_line_without_insides() -> None:
    _, said = told(
        {"ask": 1, "what": "wrong", "args": {}},
        {"ask": 2, "what": "broken", "args": {}},
        {"ask": 3, "what": "<b>" + "x" * 99, "args": {}},
    )
    assert [message["type"] for message in said] == ["failed"] * 3
    assert said[0]["message"] == "n is 7; a text was expected"
    assert "ZeroDivisionError" not in said[1]["message"]
    assert "no question" in said[2]["message"]
    assert len(said[2]["message"]) < 120


def test_a_question_that_a_role_may_not_ask_is_refused_and_not_begun() -> None:
    _, said = told({"ask": 1, "what": "secret", "args": {}})
    assert [message["type"] for message in said] == ["failed"]
    assert "your role, viewer, may not read the audit" in said[0]["message"]


def test_a_cancelled_question_is_never_answered_and_its_number_is_free_again() -> None:
    _, said = told({"ask": 1, "what": "never", "args": {}}, {"cancel": 1}, {"ask": 1, "what": "echo", "args": {}})
    assert [message["type"] for message in said] == ["progress", "answer"]


def test_an_interrupted_question_is_told_why_and_never_answered() -> None:
    async def run() -> list[dict[str, Any]]:
        said: list[str] = []
        client = Redis()
        desk = Desk(QUESTIONS, lambda: VISITOR, lambda: (client, Keys("p")), said.append)
        desk.take({"ask": 1, "what": "never", "args": {}})
        await asyncio.sleep(0)
        desk.interrupt("another role")
        await asyncio.sleep(0)
        desk.take({"ask": 2, "what": "echo", "args": {}})
        for _ in range(5):
            await asyncio.sleep(0)
        await client.aclose()
        return [json.loads(text) for text in said]

    said = asyncio.run(run())
    assert [(message["type"], message.get("message")) for message in said] == [
        ("failed", "another role"),
        ("progress", None),
        ("answer", None),
    ]


def test_so_many_at_once_and_no_more() -> None:
    asked: list[dict[str, Any]] = [{"ask": n, "what": "never", "args": {}} for n in range(MOST_AT_ONCE + 1)]
    _, said = told(*asked)
    assert [(message["type"], message["to"]) for message in said] == [("failed", MOST_AT_ONCE)]


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"ask": "1", "what": "echo", "args": {}},
        {"ask": 1, "what": ["echo"], "args": {}},
        {"ask": 1, "what": "echo", "args": [1]},
        {"cancel": {}},
        {"watch": "x"},
    ],
)
def test_what_is_no_question_is_left_to_others(message: dict[str, Any]) -> None:
    assert told(message) == ([False], [])
