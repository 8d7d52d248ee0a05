"""The manifests for Kubernetes name only what exists, and start a cluster whose processes agree."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from connectors.settings import DEFAULTS, Settings
from flows.views import parse_views
from tests.docs.pages import ROOT, section, text_of
from tests.docs.test_compose import DOCKERFILE, SERVICES, check_dbwatch, check_panel

OBJECTS: dict[tuple[str, str], dict[str, Any]] = {
    (document["kind"], document["metadata"]["name"]): document
    for document in yaml.safe_load_all((ROOT / "deploy/kubernetes/dbwatch.yaml").read_text(encoding="utf-8"))
}
JOB = OBJECTS["StatefulSet", "dbwatch"]
POD: dict[str, Any] = JOB["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
(DASHBOARD,) = OBJECTS["Deployment", "dbwatch-dashboard"]["spec"]["template"]["spec"]["containers"]
CONFIG: dict[str, str] = OBJECTS["ConfigMap", "dbwatch"]["data"]
SECRET = {"MONGO_URI": "mongodb://mongo/?replicaSet=rs0", "REDIS_URL": "redis://redis:6379/0"}
REPLICAS = int(JOB["spec"]["replicas"])


class Started(NamedTuple):
    """What a pod's shell line starts: the arguments of `dbwatch` and where it serves its metrics."""

    words: list[str]
    metrics: str

    def value(self, option: str) -> str:
        return self.words[self.words.index(option) + 1]


@pytest.fixture(params=range(REPLICAS))
def number(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def started(number: int, tmp_path: Path) -> Started:
    """By the shell itself, with a `dbwatch` that writes down what it was given."""
    stand_in = tmp_path / "dbwatch"
    stand_in.write_text('#!/bin/sh\necho "$DBWATCH_METRICS"\nfor word in "$@"; do echo "$word"; done\n', "utf-8")
    stand_in.chmod(0o755)
    env = {**CONFIG, "PATH": f"{tmp_path}:{os.environ['PATH']}", "HOSTNAME": f"dbwatch-{number}"}
    done = subprocess.run(CONTAINER["command"], env=env, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    metrics, *words = done.stdout.splitlines()
    return Started(words, metrics)


def port(name: str) -> int:
    (found,) = (int(one["containerPort"]) for one in CONTAINER["ports"] if one["name"] == name)
    return found


def test_each_pod_starts_the_process_of_its_number_with_options_that_exist(started: Started, number: int) -> None:
    check_dbwatch(started.words)
    assert started.words[0] == "run"
    assert int(started.value("--process-id")) == number
    assert ("--remote-store" in started.words) == (number > 0)


def test_the_addresses_are_the_pods_in_order(started: Started, number: int) -> None:
    service = OBJECTS["Service", JOB["spec"]["serviceName"]]
    names = [f"{JOB['metadata']['name']}-{i}.{service['metadata']['name']}:{port('engine')}" for i in range(REPLICAS)]
    assert started.value("--addresses").split(";") == names
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["spec"]["selector"].items() <= JOB["spec"]["template"]["metadata"]["labels"].items()


def test_the_probes_ask_pages_where_the_process_serves_them(started: Started, number: int) -> None:
    settings = Settings.load({**SECRET, **CONFIG, "DBWATCH_METRICS": started.metrics}, folder=ROOT)
    assert settings.metrics is not None
    served = settings.metrics.of_process(number)
    assert (served.host, served.port) == ("0.0.0.0", port("metrics"))  # noqa: S104 within a pod
    pages = {name: CONTAINER[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {probe["port"] for probe in pages.values()} == {"metrics"}
    assert [pages[name]["path"] for name in sorted(pages)] == ["/healthz", "/readyz", "/healthz"]


def test_the_settings_exist_and_hold_for_a_cluster_of_this_size() -> None:
    assert set(CONFIG) <= {*DEFAULTS, "ADDRESSES"}
    settings = Settings.load({**SECRET, **CONFIG}, folder=ROOT)
    assert min(settings.mongo_partitions, settings.stream_shards) >= REPLICAS
    for container in (CONTAINER, DASHBOARD):
        assert [source for one in container["envFrom"] for source in one] == ["configMapRef", "secretRef"]
    named = re.findall(r"--from-literal=(\w+)=", section(text_of("scaling.md"), "Kubernetes"))
    assert set(named) == set(SECRET)


def test_the_views_are_those_that_are_shipped_and_stand_where_the_setting_says() -> None:
    shipped = tomllib.loads((ROOT / "dbwatch.toml").read_text(encoding="utf-8"))
    (name, text), *_ = OBJECTS["ConfigMap", "dbwatch-views"]["data"].items()
    assert parse_views(tomllib.loads(text)) == parse_views(shipped)
    (volume,) = (v for v in POD["volumes"] if v.get("configMap") == {"name": "dbwatch-views"})
    (mount,) = (m["mountPath"] for m in CONTAINER["volumeMounts"] if m["name"] == volume["name"])
    assert CONFIG["DBWATCH_CONFIG"] == f"{mount}/{name}"


def test_the_recovery_folder_is_on_a_volume_that_outlives_the_pod_and_is_the_users_own(started: Started) -> None:
    claims = {claim["metadata"]["name"] for claim in JOB["spec"]["volumeClaimTemplates"]}
    mounts = {mount["mountPath"] for mount in CONTAINER["volumeMounts"] if mount["name"] in claims}
    assert any(started.value("--recovery").startswith(f"{mount}/") for mount in mounts)
    user = re.search(r"--uid (\d+)", DOCKERFILE)
    assert user is not None
    assert POD["securityContext"]["runAsUser"] == POD["securityContext"]["fsGroup"] == int(user[1])


def test_the_pods_start_and_end_together_with_time_for_a_last_snapshot() -> None:
    assert JOB["spec"]["podManagementPolicy"] == "Parallel"
    assert JOB["spec"]["updateStrategy"] == {"type": "OnDelete"}
    assert f"{POD['terminationGracePeriodSeconds']}s" == SERVICES["flow"]["stop_grace_period"]


def test_the_dashboard_is_started_with_options_that_exist_on_the_port_that_is_asked() -> None:
    check_panel(DASHBOARD["command"][1:])
    (inside,) = DASHBOARD["ports"]
    assert f"--port={inside['containerPort']}" in DASHBOARD["command"]
    assert DASHBOARD["readinessProbe"]["httpGet"] == {"path": "/healthz", "port": inside["name"]}
    assert OBJECTS["Service", "dbwatch-dashboard"]["spec"]["ports"][0]["targetPort"] == inside["name"]


def test_every_mount_has_its_volume_and_every_selector_its_pods() -> None:
    volumes = {volume["name"] for volume in POD["volumes"]}
    volumes |= {claim["metadata"]["name"] for claim in JOB["spec"]["volumeClaimTemplates"]}
    assert {mount["name"] for mount in CONTAINER["volumeMounts"]} == volumes
    labels = [
        one["spec"]["template"]["metadata"]["labels"] for one in OBJECTS.values() if "template" in one.get("spec", {})
    ]
    for one in OBJECTS.values():
        if one["kind"] == "Service":
            assert any(one["spec"]["selector"].items() <= of_pod.items() for of_pod in labels)
    assert {CONTAINER["image"], DASHBOARD["image"]} == {SERVICES["flow"]["image"]}
