"""The compose file and the Dockerfile name only what exists: settings, commands, options, files, services, volumes."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import tomllib
from typing import Any

import click
import pytest
import yaml
from panel.command.serve import Serve

from connectors.settings import DEFAULTS, Listen, Settings
from dbwatch.cli import cli
from tests.docs.pages import DOCS, ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if "build" in service)
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}


def instructions(name: str) -> list[str]:
    joined = DOCKERFILE.replace("\\\n", " ")
    return [line.partition(" ")[2].strip() for line in joined.split("\n") if line.startswith(f"{name} ")]


def copied() -> list[str]:
    return [source for line in instructions("COPY") for source in line.split()[:-1]]


def commands_of(argv: list[str]) -> list[list[str]]:
    """The commands in an argument list; those of `sh -c` are cut at pipes and operators."""
    if argv[:2] != ["sh", "-c"]:
        return [argv]
    words = list(shlex.shlex(argv[2], posix=True, punctuation_chars=True))
    cut: list[list[str]] = [[]]
    for word in words:
        if set(word) <= set("|&;"):
            cut.append([])
        else:
            cut[-1].append(word)
    return cut


def check_dbwatch(words: list[str]) -> None:
    """Raises a `click.UsageError` for a command or option that does not exist, or an argument that is missing."""
    command: click.Command = cli
    context = click.Context(cli, info_name="dbwatch")
    while isinstance(command, click.Group):
        _, found, words = command.resolve_command(context, words)
        assert found is not None
        command = found
    command.make_context(command.name, list(words), parent=context)


def check_panel(words: list[str]) -> None:
    known = {
        flag for argument in Serve.args for flag in ([argument[0]] if isinstance(argument[0], str) else argument[0])
    }
    assert words[0] == "serve"
    assert (ROOT / words[1]).is_file()
    assert {word.partition("=")[0] for word in words[2:]} <= known


@pytest.mark.parametrize("name", OURS)
def test_every_command_and_option_exists(name: str) -> None:
    for words in commands_of(SERVICES[name]["command"]):
        if words[0] == "dbwatch":
            check_dbwatch(words[1:])
        elif words[0] == "panel":
            check_panel(words[1:])
        else:
            assert words[0] in ("grep",), words


def test_the_images_own_command_exists() -> None:
    (command,) = instructions("CMD")
    check_dbwatch(json.loads(command)[1:])


@pytest.mark.parametrize("name", OURS)
def test_the_environment_holds_known_settings_with_values_that_load(name: str) -> None:
    environment: dict[str, str] = SERVICES[name]["environment"]
    assert set(environment) <= set(DEFAULTS)
    settings = Settings.load(environment, folder=DOCS)
    assert {host_of(settings.mongo_uri), host_of(settings.redis_url)} <= set(SERVICES)


def host_of(address: str) -> str:
    return address.partition("://")[2].partition(":")[0]


def test_every_service_has_an_image_of_a_pinned_major_or_is_built() -> None:
    official = {name: service["image"] for name, service in SERVICES.items() if "build" not in service}
    assert sorted(official) == ["mongo", "redis"]
    assert all(re.fullmatch(rf"{name}:\d+(\.\d+)*", image) for name, image in official.items())
    assert {SERVICES[name]["build"] for name in OURS} == {"."}
    assert {"flow", "dashboard", "simulator", "account", "sample"} <= set(OURS)


def test_what_a_service_waits_for_can_come_to_pass() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            condition = how["condition"]
            assert condition in CONDITIONS
            assert other in SERVICES
            assert condition != "service_healthy" or "healthcheck" in SERVICES[other], f"{name} waits for {other}"
            assert condition != "service_completed_successfully" or "restart" not in SERVICES[other]


def test_volumes_are_named_and_all_are_used() -> None:
    used = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())}
    assert used == set(COMPOSE["volumes"])


def test_only_the_dashboard_is_published_and_only_to_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert list(published) == ["dashboard"]
    (port,) = published["dashboard"]
    assert port.startswith("127.0.0.1:")
    inside = port.rpartition(":")[2]
    assert f"--port={inside}" in SERVICES["dashboard"]["command"]
    assert f"--allow-websocket-origin=localhost:{port.split(':')[1]}" in SERVICES["dashboard"]["command"]


def test_the_recovery_folder_is_on_a_volume_that_the_images_user_owns() -> None:
    folder = SERVICES["flow"]["command"][-1]
    mounts = [volume.partition(":")[2] for volume in SERVICES["flow"]["volumes"]]
    assert any(folder.startswith(f"{mount}/") for mount in mounts)
    assert "install -d -o dbwatch -g dbwatch /data" in DOCKERFILE
    assert instructions("USER") == ["dbwatch"]


def test_the_archive_is_on_a_volume_of_its_own_that_the_images_user_owns() -> None:
    folder = SERVICES["flow"]["environment"]["DBWATCH_ARCHIVE"]
    assert folder in [volume.partition(":")[2] for volume in SERVICES["flow"]["volumes"]]
    assert f"install -d -o dbwatch -g dbwatch /data {folder}" in DOCKERFILE


def test_a_health_check_asks_a_page_that_is_there() -> None:
    pages = {"flow": (Settings().metrics, "/readyz"), "dashboard": (Listen("127.0.0.1", 5006), "/healthz")}
    for name, (address, path) in pages.items():
        assert f"'http://{address}{path}'" in SERVICES[name]["healthcheck"]["test"][-1]


def test_redis_keeps_what_it_is_given() -> None:
    command = " ".join(SERVICES["redis"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


def test_the_members_of_the_replica_set_have_the_name_that_clients_use() -> None:
    script = SERVICES["mongo"]["healthcheck"]["test"][-1]
    uri = SERVICES["flow"]["environment"]["MONGO_URI"]
    name = uri.partition("replicaSet=")[2]
    assert f'_id: "{name}"' in script
    assert f'host: "{uri.partition("://")[2].partition("/")[0]}"' in script
    assert SERVICES["mongo"]["command"][1:3] == ["--replSet", name]


def test_the_dockerfile_copies_files_that_exist_and_all_that_the_project_is_built_from() -> None:
    sources = copied()
    assert not [source for source in sources if not (ROOT / source).exists()]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = [project["project"]["readme"], *project["project"]["license-files"], *wheel["packages"], "pyproject.toml"]
    assert set(needed) <= set(sources)
    assert {path.split("/")[0] for path in wheel["force-include"]} <= set(sources)


def test_nothing_that_is_copied_is_left_out_of_the_build_context() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    kept = {line[1:] for line in lines if line.startswith("!")}
    assert kept == set(copied())
    assert not any(fnmatch.fnmatch(".env", name) for name in kept)


def test_the_python_of_the_image_is_one_that_the_project_takes() -> None:
    (image,) = instructions("FROM")
    assert image in ("python:3.12-slim", "python:3.11-slim")
