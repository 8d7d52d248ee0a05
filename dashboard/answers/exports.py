"""Answers about exports: a ticket to fetch one with, how far it is, and its end before its time."""

from __future__ import annotations

import asyncio
import time

import orjson

from connectors.errors import ConfigError
from connectors.tickets import Tickets
from dashboard.access.roles import roles
from dashboard.asks import Ask
from dashboard.filters import parse
from dashboard.history.exports import Order

_LOOK_EVERY_S = 0.3
_BEGINS_WITHIN_S = 20.0


async def issue(ask: Ask) -> object:
    """A ticket for an `Order`, which `./export` takes once, and how many rows the visitor's role may export."""
    order = Order.parse(ask.args)
    parse(order.chosen.filter)
    ticket = await Tickets(ask.redis, ask.keys).issue(ask.visitor.id, orjson.dumps(order.to_args()).decode())
    return {"ticket": ticket, "limit": roles().export_rows[ask.visitor.role], "role": ask.visitor.role}


async def watch(ask: Ask) -> object:
    """How far the export of a ticket is, as it goes on, and at last how it ended."""
    tickets, token = Tickets(ask.redis, ask.keys), _ticket(ask)
    said, begins_by_s = None, time.monotonic() + _BEGINS_WITHIN_S
    while True:
        progress = await tickets.progress(token, ask.visitor.id)
        if progress is not None:
            value = orjson.loads(progress)
            if value["state"] != "running":
                return value
            if progress != said:
                ask.progress(value)
            said = progress
        elif time.monotonic() > begins_by_s:
            raise ConfigError("the browser has not begun the download; does it keep it back, or another program?")
        await asyncio.sleep(_LOOK_EVERY_S)


async def cancel(ask: Ask) -> object:
    """End the export of a ticket; what the browser has of the file is no whole one."""
    await Tickets(ask.redis, ask.keys).cancel(_ticket(ask), ask.visitor.id)
    return {}


async def limits(ask: Ask) -> object:
    """How many rows the visitor's role may export."""
    return {"limit": roles().export_rows[ask.visitor.role], "role": ask.visitor.role}


def _ticket(ask: Ask) -> str:
    ticket = ask.args.get("ticket")
    if not isinstance(ticket, str) or len(ticket) > 200:
        raise ConfigError("ticket: expected that of an export")
    return ticket
