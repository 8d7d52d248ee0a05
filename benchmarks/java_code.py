"""The JDK of this machine: where it is, whether it is new enough, and compiling with it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from connectors.errors import ConfigError

OLDEST = 17
_HOW = "install one (Debian, Ubuntu: apt-get install openjdk-17-jdk-headless), or name its folder in JAVA_HOME"
_TIMEOUT_S = 120


def tool(name: str, env: Mapping[str, str] = os.environ) -> Path:
    """`java` or `javac`: of `JAVA_HOME` when that is set, else on PATH. Raises `ConfigError`, saying how to get it."""
    home = env.get("JAVA_HOME")
    found = shutil.which(name, path=str(Path(home) / "bin") if home else env.get("PATH", ""))
    if found is None:
        where = f"in JAVA_HOME ({home})" if home else "on PATH"
        raise ConfigError(f"Debezium needs Java {OLDEST} or newer: no {name} {where}; {_HOW}")
    return Path(found)


def compiler() -> Path:
    """`javac`, new enough. Raises `ConfigError`."""
    javac = tool("javac")
    done = subprocess.run([javac, "-version"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    version = major(done.stdout or done.stderr)
    if version is None or version < OLDEST:
        raise ConfigError(
            f"Debezium needs Java {OLDEST} or newer: {javac} is {version or 'of no known version'}; {_HOW}"
        )
    return javac


def major(said: str) -> int | None:
    """The version that `javac -version` tells.

    >>> major("javac 17.0.15"), major("javac 21-ea"), major("javac 1.8.0_402"), major("")
    (17, 21, 8, None)
    """
    found = re.search(r"javac (?:1\.)?(\d+)", said)
    return int(found[1]) if found else None


def compile_java(sources: Sequence[Path], jars: Sequence[Path], into: Path) -> None:
    """Raises `ConfigError` with the compiler's first complaint, which names what a jar lacks."""
    classpath = os.pathsep.join(map(str, jars))
    command = [compiler(), "-Xlint:all,-classfile,-processing", "-Werror", "-proc:none", "-cp", classpath, "-d", into]
    done = subprocess.run([*command, *sources], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise ConfigError(f"{sources[0].parent}: javac gave exit status {done.returncode}: {said[:600]}")
