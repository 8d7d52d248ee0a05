"""What Bokeh calls an auth module: it names the gate's parts, which `dashboard.access.sign_in` holds."""

from __future__ import annotations

from dashboard.access.sign_in import LoginHandler, LogoutHandler, get_user_async

__all__ = ["LoginHandler", "LogoutHandler", "get_user_async", "login_url", "logout_url"]

login_url = "/login"
logout_url = "/logout"
