"""Puts sign-in in front of the dashboard under the plain command `panel serve dashboard/app.py`.

Panel imports what is registered under the entry point group `panel.auth` before it makes a server. This is registered
there, and when the command line serves our page, it tells Bokeh to use our auth module, as `--auth-module` would. Any
other program that uses Panel is left alone. `docs/decisions/0010-sign-in-under-plain-panel-serve.md` says why.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

APP = Path(__file__).with_name("app.py")


def serves_dashboard(argv: Sequence[str]) -> bool:
    """Whether this command line serves our page, from this copy of the project or another one."""
    if "serve" not in argv:
        return False
    return any(Path(arg).resolve().parts[-2:] == APP.parts[-2:] for arg in argv if arg.endswith(APP.suffix))


def gate(argv: Sequence[str]) -> bool:
    """Set Bokeh up to serve our page behind the sign-in, if that is what this process is to do; whether it is.

    Where Panel's own options name an OAuth provider, that one signs people in, and ours lets in those of them who have
    an account (`access.providers`). An auth module, or the shared password of `--basic-auth`, goes before all that,
    and then the page itself stays closed: it shows nothing to a request that our sign-in has not let in.
    """
    if not serves_dashboard(argv):
        return False
    from bokeh.server.urls import toplevel_patterns
    from bokeh.settings import settings

    from connectors import logs
    from dashboard import asset_handler
    from dashboard.access import providers
    from dashboard.access.checks import check
    from dashboard.access.sign_in import HealthHandler
    from dashboard.history import export_handler

    logs.configure()
    check()
    settings.auth_module.set_value(str(APP.with_name("auth_module.py")))
    providers.install()
    toplevel_patterns.append((r"/healthz", HealthHandler))
    toplevel_patterns.append((asset_handler.PATTERN, asset_handler.AssetHandler))
    toplevel_patterns.append((export_handler.PATTERN, export_handler.ExportHandler))
    return True


gate(sys.argv)
