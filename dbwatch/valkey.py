"""An embedded Valkey, or another server that speaks as Redis does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from dbwatch import binaries
from dbwatch.server import HOST, Server

_ASK_TIMEOUT_S = 2.0


class Valkey(Server):
    """A server that keeps what it is given: it logs every write and evicts nothing."""

    name = "valkey"

    def __init__(
        self,
        folder: Path,
        *,
        program: Path | None = None,
        preferred_port: int = 0,
        extra_args: Sequence[str] = (),
    ) -> None:
        """`program` None means Valkey's, as `binaries` finds it. `extra_args` come last and so win over ours."""
        super().__init__(folder, preferred_port=preferred_port, extra_args=extra_args)
        self.program = program

    @property
    def uri(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def _command(self) -> list[str]:
        data = self.folder / "valkey"
        data.mkdir(exist_ok=True)
        return [
            str(self.program or binaries.valkey()),
            *("--port", str(self.port), "--bind", HOST),
            *("--dir", str(data), "--logfile", str(self.log_path)),
            *("--appendonly", "yes", "--save", ""),
            *("--maxmemory-policy", "noeviction"),
            *("--set-proc-title", "no"),  # the command line tells whose server it is
            *self.extra_args,
        ]

    def _pid_at(self, port: int) -> int | None:
        client = Redis(
            host=HOST,
            port=port,
            socket_timeout=_ASK_TIMEOUT_S,
            socket_connect_timeout=_ASK_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        try:
            with client:
                info = client.info("server")
                persistence = client.info("persistence")
        except RedisError:
            return None
        assert isinstance(info, dict)
        assert isinstance(persistence, dict)
        return None if persistence.get("loading") else int(info["process_id"])
