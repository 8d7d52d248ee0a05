"""Finding a JDK and compiling with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.java_code import major, tool
from connectors.errors import ConfigError


def test_the_jdk_that_java_home_names_is_taken_before_the_one_on_path(tmp_path: Path) -> None:
    for folder in ("home/bin", "path"):
        javac = tmp_path / folder / "javac"
        javac.parent.mkdir(parents=True)
        javac.touch(mode=0o755)
    both = {"JAVA_HOME": str(tmp_path / "home"), "PATH": str(tmp_path / "path")}
    assert tool("javac", both) == tmp_path / "home" / "bin" / "javac"
    assert tool("javac", {"PATH": both["PATH"]}) == tmp_path / "path" / "javac"


def test_without_a_jdk_one_line_says_where_it_was_looked_for_and_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no javac on PATH; install one \(.*openjdk-17-jdk-headless\)"):
        tool("javac", {"PATH": str(tmp_path)})
    with pytest.raises(ConfigError, match=r"no java in JAVA_HOME \(/nowhere\)"):
        tool("java", {"JAVA_HOME": "/nowhere"})


@pytest.mark.parametrize(
    ("said", "version"), [("javac 17.0.15", 17), ("javac 21-ea\n", 21), ("javac 1.8.0_402", 8), ("what?", None)]
)
def test_the_version_is_read_from_what_the_compiler_says(said: str, version: int | None) -> None:
    assert major(said) == version
