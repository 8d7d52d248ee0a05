"""Questions that a page asks over its socket, and how they are answered: each in a task of its own, one answer for one.

A question is `{"ask": n, "what": name, "args": {...}}`, `n` chosen by the page; what comes back is
`{"type": "answer", "to": n, "value": ...}`, after any number of `{"type": "progress", "to": n, "value": ...}`, or
`{"type": "failed", "to": n, "message": line for people}`. `{"cancel": n}` ends one that is no longer wanted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, TypeGuard

import structlog
from redis.asyncio import Redis

from connectors.accounts import Session
from connectors.errors import ConfigError, DBWatchError
from connectors.settings import Keys
from dashboard.access.hidden import hidden_paths
from dashboard.access.permissions import Action, require
from dashboard.access.roles import Hidden
from dashboard.live.messages import answer, failed, progress

MOST_AT_ONCE = 8
_LONGEST_NAME = 40

log = structlog.get_logger()


class Ask(NamedTuple):
    """One question: who asks, with which arguments (unchecked, as the browser sent them), and what to answer from."""

    visitor: Session
    args: Mapping[str, Any]
    redis: Redis
    keys: Keys
    progress: Callable[[object], None]

    @property
    def hidden(self) -> frozenset[Hidden]:
        """What the visitor may not see: for `hide_fields`, which every record that is told goes through."""
        return hidden_paths(self.visitor.role)


Answer = Callable[[Ask], Awaitable[object]]


class Question(NamedTuple):
    """What a role must be allowed to do to ask it, and who answers."""

    action: Action
    answer: Answer


class Desk:
    """Answers the questions of one viewer. For one event loop."""

    def __init__(
        self,
        questions: Mapping[str, Question],
        visitor: Callable[[], Session],
        redis: Callable[[], tuple[Redis, Keys]],
        tell: Callable[[str], None],
    ) -> None:
        self._questions = questions
        self._visitor = visitor
        self._redis = redis
        self._tell = tell
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def take(self, message: Mapping[str, Any]) -> bool:
        """Begin to answer, or cancel; whether the message was for this desk. Anything may come."""
        cancelled = message.get("cancel")
        if _is_number(cancelled):
            if task := self._tasks.get(cancelled):
                task.cancel()
            return True
        number, what, args = message.get("ask"), message.get("what"), message.get("args")
        if not _is_number(number) or not isinstance(what, str) or not isinstance(args, dict):
            return False
        if number in self._tasks:
            return True
        if len(self._tasks) >= MOST_AT_ONCE:
            self._tell(failed(number, f"more than {MOST_AT_ONCE} questions at once; wait for their answers"))
            return True
        task = asyncio.get_running_loop().create_task(self._answered(number, what, args))  # pyright: ignore[reportUnknownArgumentType]
        self._tasks[number] = task
        task.add_done_callback(lambda _: self._tasks.pop(number, None))
        return True

    def interrupt(self, why: str) -> None:
        """Answer nothing of what was asked up to now; `why` is told instead."""
        for number, task in tuple(self._tasks.items()):
            task.cancel()
            self._tell(failed(number, why))

    def close(self) -> None:
        """The viewer has gone: nothing is answered any more."""
        for task in tuple(self._tasks.values()):
            task.cancel()

    async def _answered(self, number: int, what: str, args: Mapping[str, Any]) -> None:
        try:
            value = await self._value(number, what, args)
        except DBWatchError as exc:
            self._tell(failed(number, str(exc)))
        except Exception:  # a mistake in one answer must not leave the page waiting for it, nor end the others
            log.exception("page.answer_failed", what=what)
            self._tell(failed(number, "the server could not answer this; its log says why"))
        else:
            self._tell(answer(number, value))

    async def _value(self, number: int, what: str, args: Mapping[str, Any]) -> object:
        question = self._questions.get(what)
        if question is None:
            raise ConfigError(f"{what[:_LONGEST_NAME]!r} is no question that this server knows; reload the page")
        visitor = self._visitor()
        require(visitor.role, question.action)
        redis, keys = self._redis()

        def on_the_way(value: object) -> None:
            self._tell(progress(number, value))

        return await question.answer(Ask(visitor, args, redis, keys, on_the_way))


def _is_number(value: object) -> TypeGuard[int]:
    """One that JavaScript counts to."""
    return isinstance(value, int) and 0 <= value < 2**53
