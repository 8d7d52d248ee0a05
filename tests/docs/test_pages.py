"""What the pages say of settings, commands, fields and events is what the code has."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import bson
import click
import pytest
import yaml
from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS

from connectors import rows
from connectors.archive.settings import parse_archive
from connectors.audit import DEEDS, LONGEST, MAXLEN, OUTCOMES, AuditEntry
from connectors.errors import ConfigError, DBWatchError
from connectors.mongo_client import CODEC
from connectors.mongo_state import SourceProgress
from connectors.passwords import LONGEST_PASSWORD, ROLES, SHORTEST_PASSWORD
from connectors.records import LookupVersion, Record, Versions
from connectors.settings import DEFAULTS, Keys
from dashboard.access.hidden import HIDDEN_VALUE
from dashboard.access.permissions import EXPORT_ROWS
from dashboard.access.roles import parse_roles
from dashboard.health.findings import FIGURES
from dbwatch.cli import cli
from flows.health import Health
from flows.metrics import SPECS
from flows.policies import POLICY_KEYS, Policies
from flows.rates import Meter, rates_fields
from flows.views import parse_views
from tests.docs.pages import DOCS, PAGES, ROOT, anchors, blocks, first_cells, section, text_of, without_blocks

LOGS = re.compile(r"log\.(debug|info|warning|error|exception)$")


class Command(NamedTuple):
    """A command by its words, and its options, of which any form names one."""

    path: str
    options: list[list[str]]


def commands(group: click.Group = cli, path: str = "dbwatch") -> Iterator[Command]:
    yield Command(path, _options(group))
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if isinstance(command, click.Group):
                yield from commands(command, f"{path} {name}")
            elif command is not None:
                yield Command(f"{path} {name}", _options(command))


def _options(command: click.Command) -> list[list[str]]:
    return [param.opts for param in command.params if isinstance(param, click.Option)]


def test_every_setting_and_its_default_is_in_the_table() -> None:
    table = [line for line in section(text_of("configuration.md"), "Settings").split("\n") if line.startswith("| `")]
    cells = [[cell.strip(" `") for cell in row.split("|")] for row in table]
    assert {(row[1], row[2]) for row in cells} == set(DEFAULTS.items())


def test_every_key_of_the_archive_and_its_default_is_in_its_table() -> None:
    page = section(text_of("configuration.md"), "Archive")
    with pytest.raises(ConfigError, match="unknown key `x`") as error:
        parse_archive({"archive": {"x": 1}}, None)
    rows = [line.split("|") for line in page.split("\n") if line.startswith("| `")]
    assert {row[1].strip(" `") for row in rows} == set(
        re.findall(r"`(\w+)`", str(error.value).partition("valid keys are")[2])
    )
    said = {row[1].strip(" `"): tomllib.loads(f"x = {row[2].strip(' `')}")["x"] for row in rows if "`" in row[2]}
    assert parse_archive({"archive": said}, None) == parse_archive({"archive": {}}, None)


@pytest.mark.parametrize(
    ("table", "config"),
    [("[views.NAME]", {"x": 1}), ("[views.NAME.lookups.LOOKUP]", {"lookups": {"l": {"x": 1}}})],
)
def test_every_key_of_the_views_is_in_its_table(table: str, config: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="unknown key `x`") as error:
        parse_views({"views": {"v": config}})
    valid = re.findall(r"`(\w+)`", str(error.value).partition("valid keys are")[2])
    _, _, table_text = section(text_of("configuration.md"), "`dbwatch.toml`").partition(f"| key of `{table}`")
    assert set(first_cells(table_text.split("\n\n")[0].partition("\n")[2])) == set(valid)


def test_every_field_of_the_audit_is_in_the_table() -> None:
    page = section(text_of("records.md"), "`P:audit`")
    entry = AuditEntry(1, "", "", "sign-in", "", "", "done")
    assert set(first_cells(page)) == set(entry.to_fields())
    assert all(f"`{value}`" in page for value in (*DEEDS, *OUTCOMES))
    assert f"about {MAXLEN:,} entries" in page
    assert f"{LONGEST} characters" in page


def test_every_policy_and_its_default_is_in_its_table() -> None:
    _, _, table = section(text_of("configuration.md"), "`dbwatch.toml`").partition("| key of the file")
    rows = [line.split("|") for line in table.split("\n\n")[0].split("\n") if line.startswith("| `")]
    usual = {key: f"`{json.dumps(getattr(Policies(), key))}`" for key in POLICY_KEYS}
    assert {row[1].strip(" `"): row[2].strip() for row in rows} == usual


def test_the_example_of_the_views_is_the_file_that_is_shipped() -> None:
    example = blocks(text_of("configuration.md"), "toml")[0]
    shipped = tomllib.loads((ROOT / "dbwatch.toml").read_text(encoding="utf-8"))
    assert parse_views(tomllib.loads(example)) == parse_views(shipped)


def test_the_example_of_roles_hides_what_the_page_says() -> None:
    page = section(text_of("configuration.md"), "Roles")
    (example,) = blocks(page, "toml")
    shipped = tomllib.loads((ROOT / "dbwatch.toml").read_text(encoding="utf-8"))
    found = parse_roles({**tomllib.loads(example), **shipped})
    hidden = {f"{h.view}.{h.path}" for h in found.hidden["viewer"] if not h.in_versions}
    assert hidden == {"users.email", "comments.user.email", "comments.email", "comments.text"}
    for path in hidden:
        assert f"`{path}`" in page or f'"{path}"' in page
    assert HIDDEN_VALUE in page


def test_every_key_of_the_roles_and_its_default_is_in_the_table() -> None:
    page = section(text_of("configuration.md"), "Roles")
    with pytest.raises(ConfigError, match="unknown key `x`") as error:
        parse_roles({"roles": {"viewer": {"x": 1}}})
    assert set(first_cells(page.partition("| key of")[2].partition("\n")[2])) == set(
        re.findall(r"`(\w+)`", str(error.value).partition("valid keys are")[2])
    )
    for role, limit in EXPORT_ROWS.items():
        assert f"{limit} for `{role}`" in page


@pytest.mark.parametrize("command", list(commands()), ids=lambda command: command.path)
def test_every_command_and_option_is_documented(command: Command) -> None:
    page = section(text_of("commands.md"), command.path)
    named = re.findall(r"`(--?[a-z-]+)`", page)
    missing = [forms for forms in command.options if not set(forms) & set(named)]
    known = {form for forms in command.options for form in forms} | {"-h", "--help", "-"}
    if not command.path.endswith(("users", "deadletter", "snapshot")):
        assert not [name for name in named if name not in known], "an option that does not exist"
    assert not missing


def test_every_command_on_any_page_exists() -> None:
    known = {command.path: {form for forms in command.options for form in forms} for command in commands()}
    for page in PAGES:
        for line in _shell_lines(page):
            words = line.split("#")[0].split()
            while words and "=" in words[0]:
                words = words[1:]
            if words[:1] != ["dbwatch"]:
                continue
            if words[1] == "COMMAND":
                continue
            path = max((p for p in known if words[: len(p.split())] == p.split()), key=len)
            assert path != "dbwatch" or words[1].startswith("-"), f"{page.name}: {line}"
            used = {word.partition("=")[0] for word in words[len(path.split()) :] if word.startswith("--")}
            assert used <= known[path] | {"--help"}, f"{page.name}: {line}"


def test_every_target_of_make_on_any_page_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for page in PAGES:
        for name in re.findall(r"\bmake ([a-z]+(?:-[a-z]+)*)\b", "\n".join([*_code(page), *_shell_lines(page)])):
            assert name in targets, f"{page.name}: make {name}"


def test_every_field_of_a_record_is_in_the_table() -> None:
    full = Record("v", "u", "k", 1, "p", Versions("p", {"l": LookupVersion(1, "f", "p")}), "{}", "{}", ("a",), "l")
    page = section(text_of("records.md"), "A record of the feed")
    assert set(first_cells(page.partition("A comment whose")[0])) == set(full.to_fields())


def test_every_bson_type_has_the_form_that_is_said() -> None:
    values = {
        "int": Int64(9007199254740993),
        "double": 8.7,
        "decimal": Decimal128("12.50"),
        "id": ObjectId("573a1390f29313caabcd42e8"),
        "date": datetime(2026, 11, 21, 20, 0, 0, 181000),
        "far": DatetimeMS(253402300800000),
        "row": {"a": 1},
        "binary": Binary(b"\x01\x02"),
        "time": Timestamp(1795297186, 3),
        "pattern": Regex("^a.*", re.IGNORECASE),
        "ref": DBRef("users", 5),
        "code": Code("return 1", {"x": 1}),
        "least": MinKey(),
        "most": MaxKey(),
    }
    page = section(text_of("records.md"), "JSON values")
    decoded = bson.decode(bson.encode(values), CODEC)
    assert not [form for form in map(rows.dumps, decoded.values()) if f"`{form}`" not in page]


def test_every_field_of_rates_and_health_is_in_its_table() -> None:
    meter, health = Meter(), Health(started_ms=0)
    meter.add([Record("v", "u", "k", 1, "p", Versions("p", {}))], 2, 0)
    rates = rates_fields(meter.take(), at_ms=1, process="0", seconds=1.0)
    assert set(first_cells(section(text_of("records.md"), "`P:rates`"))) == set(rates)
    health.on_progress(SourceProgress("tail-0", "snapshot", "c", 1, 2, "p", 3, away="no answer"))
    health.on_held("full", 5)
    page = section(text_of("records.md"), "`P:health`")
    assert set(first_cells(page)) == set(health.figures(6))
    assert health.figures(6)["snapshot"].keys() <= set(re.findall(r"`(\w+)`", page))


def test_every_figure_of_health_is_in_its_table() -> None:
    cells = set(re.findall(r"^\| ([^|]+?) \|", section(text_of("dashboard.md"), "Health"), re.MULTILINE))
    assert {figure.label for figure in FIGURES} <= cells


def test_every_state_of_the_job_is_named() -> None:
    page = section(text_of("records.md"), "`P:health`")
    for state in ("starting", "snapshot", "waiting", "tail", "holding", "stopped"):
        assert f"`{state}`" in page


def test_every_key_in_redis_is_named() -> None:
    keys = Keys("P")
    names = [keys.rates, keys.deadletter, keys.audit, keys.job, keys.health, keys.user("<name>"), *keys.changes]
    names += [keys.session("<hash>"), keys.attempts("<kind>", "<who>"), keys.cursor("<name>")]
    page = text_of("records.md")
    assert not [name for name in names if f"`{name}`" not in page]


def test_the_table_of_metrics_is_the_one_that_the_code_has() -> None:
    page = section(text_of("operations.md"), "Metrics").partition("| metric | type |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in page.split("\n")[2:]]
    labels = [", ".join(f"`{label}`" for label in spec.labels) or "none" for spec in SPECS]
    assert rows == [[f"`{spec.name}`", spec.kind, label, spec.help] for spec, label in zip(SPECS, labels, strict=True)]


def test_every_metric_in_an_alarm_exists() -> None:
    (rules,) = blocks(section(text_of("operations.md"), "Alarms"), "yaml")
    used = {
        name
        for rule in yaml.safe_load(rules)["groups"][0]["rules"]
        for name in re.findall(r"dbwatch_\w+", rule["expr"])
    }
    assert len(used) > 6
    assert used <= {spec.name for spec in SPECS}


def test_every_event_of_the_log_is_in_the_table_and_the_other_way_round() -> None:
    documented = set(first_cells(section(text_of("operations.md"), "The log")))
    assert documented == set(_events())


def test_every_error_that_is_explained_is_one_that_the_code_has() -> None:
    texts = list(_texts())
    quoted = first_cells(section(text_of("operations.md"), "What an error means"))
    assert len(quoted) > 10
    for words in quoted:
        parts = words.split("…")
        assert any(all(part.strip() in text for part in parts) for text in texts), words


def test_every_exit_status_is_in_the_table() -> None:
    statuses = {error.exit_status for error in (DBWatchError, *DBWatchError.__subclasses__())}
    rows = section(text_of("operations.md"), "Exit statuses").split("\n")
    assert statuses <= {int(row.split("|")[1]) for row in rows if re.match(r"\| \d+ \|", row)}


def test_every_status_of_the_dashboard_is_explained() -> None:
    source = ast.parse((ROOT / "dashboard" / "health" / "status.py").read_text(encoding="utf-8"))
    calls = [n for n in ast.walk(source) if isinstance(n, ast.Call) and ast.unparse(n.func) == "Status"]
    labels = {ast.literal_eval(call.args[1]) for call in calls}
    page = section(text_of("dashboard.md"), "What it shows")
    assert len(labels) > 5
    assert not [label for label in labels if not re.search(rf"\| ([\w ]+, )?{label}(, [\w ]+)? \|", page)]


def test_roles_and_lengths_of_passwords_are_as_said() -> None:
    page = section(text_of("dashboard.md"), "Signing in")
    assert f"{SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters" in page
    assert all(f"`{role}`" in section(text_of("commands.md"), "dbwatch users add") for role in ROLES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_resolves(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_blocks(page.read_text(encoding="utf-8"))):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(found.read_text(encoding="utf-8")), f"{page.name}: {target}"


def test_every_page_and_decision_is_in_the_index_and_numbers_are_unique() -> None:
    index = text_of("README.md")
    pages = [p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.md") if p != DOCS / "README.md"]
    assert not [name for name in pages if f"({name})" not in index]
    numbers = [name.split("/")[1][:4] for name in pages if name.startswith("decisions/")]
    assert len(numbers) == len(set(numbers))


def test_files_named_on_the_pages_exist() -> None:
    for page in PAGES:
        for name in _code(page):
            if re.fullmatch(r"(connectors|flows|dashboard|dbwatch|tests|docs)/[a-z0-9_/.*-]*", name):
                assert list(ROOT.glob(name.rstrip("/"))), f"{page.name}: {name}"


def _events() -> Iterator[str]:
    for folder in ("connectors", "flows", "dashboard", "dbwatch"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and LOGS.search(ast.unparse(node.func)) and node.args:
                    yield from (c.value for c in ast.walk(node.args[0]) if isinstance(c, ast.Constant))  # type: ignore[misc]


def _texts() -> Iterator[str]:
    """Every text in the code; what is put into it stands as an ellipsis."""
    for folder in ("connectors", "flows"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    yield "".join(str(v.value) if isinstance(v, ast.Constant) else "…" for v in node.values)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


def _code(page: Path) -> list[str]:
    return re.findall(r"`([^`\n]+)`", without_blocks(page.read_text(encoding="utf-8")))


def _shell_lines(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"^ +(```|.*)", lambda m: m[0].strip(), text, flags=re.MULTILINE)
    lines = [line for block in blocks(text, "sh") for line in block.split("\n")]
    return lines + [code for code in _code(page) if code.startswith("dbwatch ")]
