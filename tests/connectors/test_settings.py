"""Settings: which source wins, what is refused, and that no message shows a password."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.errors import ConfigError
from connectors.settings import DEFAULTS, Keys, Listen, Settings, hidden

SECRET = "s3cret"
METRICS_REFUSED = ("9464", ":9464", "localhost", "localhost:", "localhost:70000", "::1:80", "a b:1", "localhost:-1")


@pytest.fixture(autouse=True)
def no_settings_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DEFAULTS:
        monkeypatch.delenv(name, raising=False)


def test_without_any_setting_the_documented_defaults_hold(tmp_path: Path) -> None:
    assert Settings.load(folder=tmp_path) == Settings()


def test_the_command_line_wins_over_the_environment_over_the_file_over_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("MONGO_DB=file\nDBWATCH_PREFIX=file\nDBWATCH_STREAM_SHARDS=2\n")
    monkeypatch.setenv("MONGO_DB", "environment")
    monkeypatch.setenv("DBWATCH_PREFIX", "environment")
    loaded = Settings.load({"MONGO_DB": "given", "REDIS_URL": None}, folder=tmp_path)
    assert (loaded.mongo_db, loaded.prefix, loaded.stream_shards) == ("given", "environment", 2)
    assert loaded.redis_url == DEFAULTS["REDIS_URL"]


def test_an_empty_setting_is_as_good_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGO_DB", "")
    assert Settings.load(folder=tmp_path).mongo_db == DEFAULTS["MONGO_DB"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MONGO_URI", "localhost:27017", "mongodb:// or mongodb\\+srv://"),
        ("REDIS_URL", "http://127.0.0.1", "redis:// or rediss:// or unix://"),
        ("MONGO_DB", "a/b", "a MongoDB database name"),
        ("MONGO_DB", "x" * 64, "a MongoDB database name"),
        ("DBWATCH_PREFIX", "two words", "letters, digits"),
        ("DBWATCH_MONGO_PARTITIONS", "0", "from 1 to 64"),
        ("DBWATCH_MONGO_PARTITIONS", "many", "from 1 to 64"),
        ("DBWATCH_STREAM_SHARDS", "65", "from 1 to 64"),
        ("DBWATCH_STREAM_MAXLEN", "-5", "a whole number from 1"),
        *(("DBWATCH_METRICS", value, "HOST:PORT such as") for value in METRICS_REFUSED),
    ],
)
def test_a_value_of_the_wrong_kind_is_named_with_what_was_expected(
    tmp_path: Path, name: str, value: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=rf"^{name}: expected .*{said}"):
        Settings.load({name: value}, folder=tmp_path)


def test_the_views_file_that_is_missing_or_broken_is_named(tmp_path: Path) -> None:
    path = tmp_path / "views.toml"
    with pytest.raises(ConfigError, match=r"views\.toml: no such file.*dbwatch init"):
        Settings(config_path=path).config()
    path.write_text("[views\n")
    with pytest.raises(ConfigError, match=r"views\.toml: not valid TOML: .*line 1"):
        Settings(config_path=path).config()
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"views\.toml: cannot be read"):
        Settings(config_path=path).config()
    with pytest.raises(ConfigError, match="cannot be read"):
        Settings(config_path=tmp_path).config()


def test_addresses_are_not_in_the_repr() -> None:
    shown = repr(Settings(mongo_uri=f"mongodb://u:{SECRET}@h/", redis_url=f"redis://:{SECRET}@h/0"))
    assert SECRET not in shown


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        (f"redis://:{SECRET}@127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        (f"mongodb://u:{SECRET}@a:1,b:2/db?replicaSet=rs0&x={SECRET}", "mongodb://a:1,b:2/db"),
        (f"unix://u:{SECRET}@/run/redis.sock?db=1", "unix:///run/redis.sock"),
    ],
)
def test_a_shown_address_keeps_what_helps_to_find_the_server(uri: str, shown: str) -> None:
    assert hidden(uri) == shown


@pytest.mark.parametrize(
    "uri",
    [
        f"redis://:{SECRET}/x@127.0.0.1:6379/0",
        f"redis://:x/{SECRET}@127.0.0.1:6379/0",
        f"redis://:x?{SECRET}@127.0.0.1:6379/0",
        f"redis://:x#{SECRET}@127.0.0.1:6379/0",
        f"mongodb://u:{SECRET}@x@h/",
        f"mongodb://h/db?tlsCertificateKeyFilePassword=x@{SECRET}",
        f"watcher:{SECRET}@127.0.0.1:27017",
        f"mongodb:/u:{SECRET}@h/",
        f"mongodb://u:{SECRET}[@h/",
    ],
)
def test_no_form_of_address_shows_its_password(uri: str, tmp_path: Path) -> None:
    assert SECRET not in hidden(uri)
    for name in ("MONGO_URI", "REDIS_URL"):
        assert SECRET not in refusal(name, uri, tmp_path)


def refusal(name: str, value: str, folder: Path) -> str:
    """What is said of a setting, nothing if it is taken."""
    try:
        Settings.load({name: value}, folder=folder)
    except ConfigError as exc:
        return str(exc)
    return ""


def test_one_stream_is_plain_and_several_are_numbered() -> None:
    assert Keys("p").changes == ("p:changes",)
    assert Keys("p", 3).changes == ("p:changes:0", "p:changes:1", "p:changes:2")


def test_every_key_stands_below_the_prefix() -> None:
    keys = Keys("p", 2)
    named = [keys.rates, keys.deadletter, keys.audit, keys.job, keys.health, *keys.changes]
    named += [keys.user("x"), keys.session("x"), keys.attempts("user", "x"), keys.cursor("x")]
    assert all(key.startswith("p:") for key in named)
    assert len(set(named)) == len(named)


def test_the_address_of_the_metrics_says_whether_it_was_asked_for(tmp_path: Path) -> None:
    def metrics(value: str | None) -> Listen | None:
        return Settings.load({"DBWATCH_METRICS": value}, folder=tmp_path).metrics

    assert metrics(None) == Listen("127.0.0.1", 9464, explicit=False)
    assert metrics("127.0.0.1:9464") == Listen("127.0.0.1", 9464, explicit=True)
    assert metrics("[::1]:80") == Listen("::1", 80, explicit=True)
    assert metrics("monitor.example.org:0") == Listen("monitor.example.org", 0, explicit=True)
    assert metrics("off") is None


def test_processes_on_one_machine_have_ports_that_follow_each_other() -> None:
    assert [str(Listen("127.0.0.1", 9464).of_process(i)) for i in (0, 2)] == ["127.0.0.1:9464", "127.0.0.1:9466"]
    assert Listen("::1", 0).of_process(3) == Listen("::1", 0)
    assert str(Listen("::1", 80)) == "[::1]:80"


def test_a_replay_has_streams_dead_letters_and_a_lock_of_its_own() -> None:
    keys = Keys("p", 2).of_replay("mine")
    assert keys.changes == ("p:replay:mine:0", "p:replay:mine:1")
    assert (keys.deadletter, keys.job) == ("p:replay:mine:deadletter", "p:replay:mine:job")
    assert Keys("p").of_replay("mine").changes == ("p:replay:mine",)
    assert keys.audit == "p:audit"
