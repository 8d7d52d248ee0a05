"""The command line: a table of commands, and errors as one line and an exit status."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Mapping

import click
import pytest

from connectors.errors import BadRecord, ConfigError, Stopped
from dbwatch import cli

_FAILURES: Mapping[str, BaseException] = {
    "config": ConfigError("MONGO_URI: expected an address,\n found nothing"),
    "record": BadRecord("an entry lacks a field"),
    "stopped": Stopped(),
    "bug": ZeroDivisionError("division by zero"),
    "interrupt": KeyboardInterrupt(),
}


@click.command()
@click.argument("how")
def failing(*, how: str) -> None:
    raise _FAILURES[how]


@pytest.fixture(autouse=True)
def with_failing(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = cli.Entry(f"{__name__}:failing", "Fail")
    monkeypatch.setattr(cli, "COMMANDS", {**cli.COMMANDS, "failing": entry})
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])


@pytest.mark.parametrize(
    ("how", "exit_status", "line"),
    [
        ("config", 2, "dbwatch: error: MONGO_URI: expected an address, found nothing\n"),
        ("record", 3, "dbwatch: error: an entry lacks a field\n"),
        ("stopped", 0, ""),
        ("bug", 1, "dbwatch: error: ZeroDivisionError: division by zero (--verbose shows where)\n"),
    ],
)
def test_an_error_is_one_line_and_its_exit_status(
    capsys: pytest.CaptureFixture[str], how: str, exit_status: int, line: str
) -> None:
    assert cli.run(["failing", how]) == exit_status
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == line


def test_ctrl_c_has_the_exit_status_of_an_interrupt(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["failing", "interrupt"]) == cli.INTERRUPTED


def test_verbose_shows_the_traceback_before_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--verbose", "failing", "config"]) == 2
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert said.endswith("dbwatch: error: MONGO_URI: expected an address, found nothing\n")


def test_an_unknown_command_and_a_wrong_option_are_told_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["nothing"]) == 2
    assert "No such command 'nothing'" in capsys.readouterr().err
    assert cli.run(["up", "--mongo-port", "many"]) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_command_of_the_table_exists_under_its_name_and_explains_itself(name: str) -> None:
    module, _, attribute = cli.COMMANDS[name].target.partition(":")
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.help
    assert all(option.help or option.name for option in command.params if isinstance(option, click.Option))


def test_help_lists_the_commands_and_loads_no_driver() -> None:
    code = (
        "import sys; from dbwatch.cli import run; status = run(['--help']); "
        "loaded = {'pymongo', 'redis', 'bytewax', 'panel'} & set(sys.modules); sys.exit(status or len(loaded))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in cli.COMMANDS if name != "failing")


def test_nothing_is_said_of_a_reader_that_has_left() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "dbwatch", "--help"],
            stdout=write_end,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(write_end)
    assert done.stderr == ""
