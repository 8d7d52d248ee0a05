"""Serves the page's own scripts and styles, to those who are signed in."""

from __future__ import annotations

from http import HTTPStatus

from tornado.web import HTTPError, RequestHandler

from dashboard.access.sign_in import session_of_request
from dashboard.assets import assets

PATTERN = r"/assets/([0-9a-f]{16})/([a-z_]+\.(?:js|css))"


class AssetHandler(RequestHandler):
    """A file of this build; an older build's page is told that it is gone, and reloads."""

    async def get(self, build: str, name: str) -> None:
        if await session_of_request(self) is None:
            raise HTTPError(HTTPStatus.FORBIDDEN)
        found = assets()
        if build != found.build or name not in found.files:
            raise HTTPError(HTTPStatus.NOT_FOUND)
        asset = found.files[name]
        self.set_header("Content-Type", asset.media_type)
        self.set_header("Cache-Control", "private, max-age=31536000, immutable")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(asset.body)
