"""Logs of one process: one line an event on stderr, coloured for a terminal, JSON for everything else."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.processors import ExceptionRenderer
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import Processor


def configure(*, verbose: bool = False, as_json: bool | None = None) -> None:
    """Set up structlog for this process; a later call replaces an earlier one.

    `verbose` adds events of level debug. `as_json` None means: unless stderr is a terminal. Events hold no rows and no
    secrets; whoever logs an address passes it through `settings.hidden`.
    """
    plain = not sys.stderr.isatty() if as_json is None else as_json
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso" if plain else "%H:%M:%S", utc=plain),
            *_rendering(plain=plain),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        # The stderr of the moment: whoever replaces it, as tests do, need not set the logs up again.
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _rendering(*, plain: bool) -> list[Processor]:
    if plain:
        # Without the values of local variables, which may be rows, before their mask, and addresses.
        plain_tracebacks = ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
        return [plain_tracebacks, structlog.processors.JSONRenderer(default=str)]
    return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback, pad_event_to=0)]
