"""The pages for a monitor, over real connections."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Generator

import psutil
import pytest

from connectors import logs
from connectors.ending import Ending
from connectors.errors import ConfigError
from connectors.mongo_state import SourceProgress
from connectors.settings import Listen
from flows.endpoint import Endpoint, Pages, serve
from flows.health import Facts, Health
from flows.pulse import at_now

ANY = Listen("127.0.0.1", 0)


class Served:
    """An endpoint and what one asks it with."""

    def __init__(self) -> None:
        self.health, self.ending = Health(started_ms=0), Ending()
        self.endpoint = Endpoint(ANY, Pages(at_now(self.health.facts), self.ending))

    def ask(self, path: str, *, method: str = "GET", accept: str = "") -> tuple[int, str, dict[str, str]]:
        connection = http.client.HTTPConnection(self.endpoint.address.host, self.endpoint.address.port, timeout=5)
        connection.request(method, path, headers={"Accept": accept} if accept else {})
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, body, dict(answer.getheaders())


@pytest.fixture
def served() -> Generator[Served]:
    served = Served()
    yield served
    served.endpoint.close()


def test_metrics_are_served_with_those_of_the_process(served: Served) -> None:
    status, body, headers = served.ask("/metrics")
    assert (status, headers["Content-Type"].split(";")[0]) == (200, "text/plain")
    assert 'dbwatch_state{state="starting"} 1.0' in body
    assert "process_resident_memory_bytes" in body


def test_readiness_is_told_as_text_and_as_json(served: Served) -> None:
    assert served.ask("/readyz")[:2] == (503, "the job is starting: nothing has been read yet\n")
    status, body, headers = served.ask("/readyz", accept="application/json")
    assert (status, headers["Content-Type"]) == (503, "application/json")
    assert json.loads(body) == {"ok": False, "reasons": ["the job is starting: nothing has been read yet"]}
    served.health.on_progress(SourceProgress("tail-0", "tail", "", 0, 0, "05", 5000))
    assert served.ask("/readyz")[:2] == (200, "ok\n")
    assert json.loads(served.ask("/readyz", accept="application/json")[1]) == {"ok": True, "reasons": []}


def test_a_job_that_is_stopping_is_alive_and_not_ready(served: Served) -> None:
    served.ending.request()
    assert served.ask("/healthz")[:2] == (200, "ok\n")
    assert served.ask("/readyz")[1].startswith("the job is stopping\n")


def test_head_gives_the_headers_alone_and_other_paths_are_not_found(served: Served) -> None:
    status, body, headers = served.ask("/healthz", method="HEAD")
    assert (status, body, headers["Content-Length"]) == (200, "", "3")
    assert served.ask("/healthz?x=1")[0] == 200
    for path in ("/", "/metrics/", "/../etc/passwd", "/healthz%00"):
        assert served.ask(path)[0] == 404
    assert served.ask("/metrics", method="POST")[0] == 501


def test_a_mistake_of_ours_is_told_in_the_log_and_not_to_the_asker(capfd: pytest.CaptureFixture[str]) -> None:
    def facts() -> Facts:
        raise RuntimeError("secret")

    logs.configure(as_json=True)
    registered = iter([Health(started_ms=0).facts(1)])
    served = Served()
    served.endpoint.close()
    served.endpoint = Endpoint(ANY, Pages(lambda: next(registered, None) or facts(), Ending()))
    assert served.ask("/readyz")[0] == 503
    status, body, _ = served.ask("/readyz")
    served.endpoint.close()
    assert (status, "secret" in body) == (500, False)
    assert "metrics.failed" in capfd.readouterr().err


def test_a_client_that_says_nothing_holds_up_nobody(served: Served) -> None:
    address = served.endpoint.address
    with socket.create_connection((address.host, address.port)), socket.create_connection((address.host, address.port)):
        assert served.ask("/healthz")[0] == 200


def test_it_listens_on_the_loopback_address_alone(served: Served) -> None:
    listening = [c.laddr for c in psutil.Process(os.getpid()).net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    hosts = {address.ip for address in listening if address.port == served.endpoint.address.port}
    assert hosts == {"127.0.0.1"}


def test_an_address_that_is_taken_is_a_warning_unless_it_was_asked_for(
    served: Served, capfd: pytest.CaptureFixture[str]
) -> None:
    logs.configure(as_json=True)
    taken, pages = served.endpoint.address, Pages(at_now(served.health.facts), served.ending)
    assert serve(taken, pages) is None
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "metrics" in line]
    assert "metrics.not_served" in line
    assert f"{taken}" in line
    with pytest.raises(ConfigError, match=rf"DBWATCH_METRICS: cannot listen on {taken}: .* or `off`"):
        serve(taken._replace(explicit=True), pages)


def test_an_unknown_host_is_an_error_of_the_setting(served: Served) -> None:
    with pytest.raises(ConfigError, match=r"DBWATCH_METRICS: cannot listen on no-such-host\.invalid:1"):
        serve(Listen("no-such-host.invalid", 1, explicit=True), Pages(at_now(served.health.facts), served.ending))


def test_nothing_is_served_when_it_is_off(served: Served) -> None:
    assert serve(None, Pages(at_now(served.health.facts), served.ending)) is None


# An interpreter or a kernel without IPv6 cannot listen on such an address, whatever the endpoint does.
@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_an_ipv6_address_can_be_listened_on() -> None:
    endpoint = Endpoint(Listen("::1", 0), Pages(at_now(Health(started_ms=0).facts), Ending()))
    assert str(endpoint.address).startswith("[::1]:")
    endpoint.close()
