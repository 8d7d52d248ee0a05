"""Asks an answer as the desk does, on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson

from connectors.accounts import Session
from connectors.passwords import Role
from connectors.redis_client import connect_async
from connectors.settings import Keys
from dashboard.asks import Answer, Ask


def asked(
    redis_url: str, keys: Keys, answer: Answer, args: Mapping[str, Any], *, role: Role = "admin", session: str = "s"
) -> Any:
    """What the browser would be told."""

    async def main() -> object:
        client = connect_async(redis_url)
        try:
            return await answer(Ask(Session(session, "trinity", role), args, client, keys, _unheard))
        finally:
            await client.aclose()

    return orjson.loads(orjson.dumps(asyncio.run(main()), default=list))


def _unheard(_progress: object) -> None: ...
