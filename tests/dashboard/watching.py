"""A viewer without a browser: it speaks what the page's scripts speak, so that many can watch, or say anything."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Any, cast

from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from dashboard.access.sign_in import COOKIE
from tests.dashboard.serving import Server

_LARGEST_FRAME = 64 * 1024 * 1024


class Watcher:
    """One open page. `told` holds the page's messages of the last `hear`, by the types of `dashboard.live.messages`."""

    def __init__(self, socket: WebSocketClientConnection, model: str) -> None:
        self._socket = socket
        self._model = model
        self._sent = 0
        self.received_bytes = 0

    @classmethod
    async def opened(cls, server: Server, token: str) -> Watcher:
        """Ask for the page as a browser does, and connect as it would."""
        page = server.ask("/app", cookies={COOKIE: token})
        assert page.status == 200, page.status
        text = unescape(page.text)
        bokeh_token = re.search(r'"token":"([^"]+)"', text)
        model = re.search(r'"roots":\{"([^"]+)":', text)
        assert bokeh_token is not None
        assert model is not None
        headers = {"Cookie": f"{COOKIE}={token}", "Origin": server.url}
        request = HTTPRequest(f"{server.url.replace('http', 'ws')}/app/ws", headers=headers)
        socket = await websocket_connect(
            request, subprotocols=["bokeh", bokeh_token[1]], max_message_size=_LARGEST_FRAME
        )
        while '"ACK"' not in str(await socket.read_message()):
            pass  # the server takes nothing before it has said this
        watcher = cls(socket, model[1])
        await watcher._send("PULL-DOC-REQ", {})
        return watcher

    async def say(self, message: dict[str, Any]) -> None:
        """What the page's scripts would say; any object."""
        entries = [["model", {"id": self._model}], ["data", _as_map(message)]]
        event = {"type": "event", "name": "data_event", "values": {"type": "map", "entries": entries}}
        sent = {"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": event}
        await self._send("PATCH-DOC", {"events": [sent]})

    async def hear(self) -> list[dict[str, Any]] | None:
        """The page's messages in the next frame that comes; None when the server has closed the socket."""
        frame = await self._socket.read_message()
        if frame is None:
            return None
        self.received_bytes += len(frame)
        text = frame if isinstance(frame, str) else frame.decode()
        return list(_messages(json.loads(text))) if text.startswith('{"events"') else []

    async def heard(self, kind: str) -> dict[str, Any]:
        """The next message of this type."""
        while (found := await self.hear()) is not None:
            for message in found:
                if message["type"] == kind:
                    return message
        raise AssertionError(f"the socket was closed before a {kind!r} came")

    def close(self) -> None:
        """Say goodbye, and do not wait for that of the server, which the event loop may not live to see."""
        protocol: Any = self._socket.protocol
        self._socket.close()
        if protocol is not None:
            protocol.stream.close()

    async def _send(self, kind: str, content: object) -> None:
        self._sent += 1
        for part in ({"msgid": f"{self._sent:032d}", "msgtype": kind}, {}, content):
            await self._socket.write_message(json.dumps(part))


def _as_map(value: Any) -> Any:
    """Objects as Bokeh's browser side writes them."""
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value)
        return {"type": "map", "entries": [[key, _as_map(item)] for key, item in pairs.items()]}
    return [_as_map(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value


def _messages(value: Any) -> Iterator[dict[str, Any]]:
    """Every text in a frame that is one of the page's messages."""
    if isinstance(value, str):
        if value.startswith('{"type":'):
            yield json.loads(value)
    elif isinstance(value, dict | list):
        inside = cast("dict[str, Any] | list[Any]", value)
        for item in inside.values() if isinstance(inside, dict) else inside:
            yield from _messages(item)
