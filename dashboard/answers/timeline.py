"""Answers of the timeline."""

from __future__ import annotations

from connectors.redis_client import translated
from dashboard.asks import Ask
from dashboard.history.rates_read import rates_read
from dashboard.history.timeline import Window, window_value


async def timeline(ask: Ask) -> object:
    """The bars of a `Window`, by Redis's clock, as `window_value` tells them."""
    with translated("reading the time"):
        seconds, micros = await ask.redis.time()
    window = Window.parse(ask.args, now_ms=int(seconds) * 1000 + int(micros) // 1000)
    read, reaches_ms = await rates_read().since(window.from_ms)
    return window_value(window, read.bars(window), reaches_ms=reaches_ms)
