"""What is asked of a server that must give nothing away."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from redis import Redis

from connectors.records import Record, Versions
from connectors.settings import Keys

SECRET = "a film that nobody may see"
HANDSHAKE: Mapping[str, str] = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": base64.b64encode(b"0123456789abcdef").decode(),
    "Sec-WebSocket-Protocol": "bokeh, token",
}


def put_secret(client: Redis, keys: Keys) -> None:
    """Data that must not be found in an answer."""
    record = Record("movies", "c", "k", 1, "p", Versions("p", {}), after=json.dumps({"title": SECRET}))
    client.xadd(keys.changes[0], {**record.to_fields()})
