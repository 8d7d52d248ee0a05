"""The page's own scripts and styles, as they are bundled and served."""

from __future__ import annotations

from pathlib import Path

from dashboard.access.sign_in import COOKIE
from dashboard.assets import STYLES, assets, bundled
from tests.dashboard.browsing import NAME, PASSWORD
from tests.dashboard.serving import Server


def test_the_styles_are_one_file_in_the_order_of_the_cascade(tmp_path: Path) -> None:
    for name in ("a.css", "page.css", "theme.css"):
        (tmp_path / name).write_text(name)
    assert bundled(tmp_path).files[STYLES].body.split() == [b"theme.css", b"page.css", b"a.css"]


def test_another_content_is_another_build(tmp_path: Path) -> None:
    (tmp_path / "main.js").write_text("1")
    first = bundled(tmp_path)
    (tmp_path / "main.js").write_text("2")
    assert first.modules == ["main.js"]
    assert bundled(tmp_path).build != first.build


def test_they_are_kept_by_browsers_and_given_to_nobody_who_is_not_signed_in(server: Server) -> None:
    cookies = {COOKIE: server.sign_in(NAME, PASSWORD).cookies[COOKIE]}
    path = f"/assets/{assets().build}/main.js"
    answer = server.ask(path, cookies=cookies)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]
    assert server.ask(path).status == 403
    assert server.ask(path, cookies={COOKIE: "forged"}).status == 403


def test_a_page_of_an_older_build_is_told_that_its_files_are_gone(server: Server) -> None:
    cookies = {COOKIE: server.sign_in(NAME, PASSWORD).cookies[COOKIE]}
    assert server.ask(f"/assets/{'0' * 16}/main.js", cookies=cookies).status == 404
    assert server.ask(f"/assets/{assets().build}/other.js", cookies=cookies).status == 404
