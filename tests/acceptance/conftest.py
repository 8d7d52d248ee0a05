"""What the program is told, in tests that run it as people do."""

from __future__ import annotations

import pytest


@pytest.fixture
def settings(mongo_uri: str, mongo_db: str, redis_url: str, prefix: str) -> dict[str, str]:
    """Servers, and a database and a prefix of the test's own, as variables of the environment."""
    return {"MONGO_URI": mongo_uri, "MONGO_DB": mongo_db, "REDIS_URL": redis_url, "DBWATCH_PREFIX": prefix}
