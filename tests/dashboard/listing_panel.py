"""The `panel` command, which also writes down every address pattern that its server knows, one a line, with the class
that serves it. The file is the one that `LISTING` names.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bokeh.server.server import Server
from tornado.routing import PathMatches, Router, Rule


def patterns(router: Any) -> Iterator[str]:
    """Of a router and of those below it."""
    rules: list[Rule] = router.rules
    for rule in rules:
        target: Any = rule.target
        if isinstance(target, Router):
            yield from patterns(target)
        elif isinstance(rule.matcher, PathMatches):
            yield f"{rule.matcher.regex.pattern}\t{target.__name__}"


def main() -> None:
    from panel.command import main as panel

    begin: Any = Server.start

    def start(server: Any) -> None:
        found = patterns(server._tornado.default_router)
        Path(os.environ["LISTING"]).write_text("\n".join(found), encoding="utf-8")
        begin(server)

    started: Any = Server
    started.start = start
    panel(sys.argv)


if __name__ == "__main__":
    main()
