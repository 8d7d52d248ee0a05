"""All checks over all facts. Pure."""

from __future__ import annotations

from dbwatch.doctor.facts import Facts
from dbwatch.doctor.of_job import of_job
from dbwatch.doctor.of_mongo import of_mongo
from dbwatch.doctor.of_redis import of_redis
from dbwatch.doctor.verdicts import Verdict


def examine(facts: Facts) -> list[Verdict]:
    """A verdict for each check that the facts allow, in the order in which things depend on each other."""
    return [*of_mongo(facts), *of_redis(facts), *of_job(facts)]
