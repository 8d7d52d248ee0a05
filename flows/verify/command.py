"""A comparison from settings to report: the servers and the job's settings are checked first."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import cast

from redis import Redis

from connectors.errors import ConfigError
from connectors.mongo_checks import check as check_mongo
from connectors.mongo_client import connect as connect_mongo
from connectors.redis_client import connect as connect_redis
from connectors.redis_client import reached, translated
from connectors.settings import Settings
from flows.job import check_same
from flows.verify.comparison import Options, compare
from flows.verify.database import Tell
from flows.verify.judging import Report
from flows.views import Views, parse_views


def verify(settings: Settings, names: Sequence[str], options: Options, tell: Tell) -> Report:
    """Compare these views, all when none is named. Raises `DBWatchError` when that cannot be done."""
    views = parse_views(settings.config(), file=str(settings.config_path))
    chosen = chosen_views(views, names)
    check_mongo(uri=settings.mongo_uri, database=settings.mongo_db, collections=chosen.collections, must_exist=False)
    redis = reached(connect_redis(settings.redis_url), settings.redis_url)
    with redis, connect_mongo(settings.mongo_uri) as mongo:
        _check_feed(redis, settings, views)
        return compare(settings, chosen, mongo, redis, options=options, tell=tell)


def chosen_views(views: Views, names: Sequence[str]) -> Views:
    """The named views; masks hold wherever a collection's rows go, so all of them stay."""
    known = [view.name for view in views.views]
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise ConfigError(f"--view: there is no view {name!r}{hint}; the views are {', '.join(known)}")
    return Views(tuple(view for view in views.views if not names or view.name in names), views.masks)


def _check_feed(redis: Redis, settings: Settings, views: Views) -> None:
    """Whether there is a feed, made with these settings and views."""
    with translated("looking for the feed"):
        known = cast("dict[str, str]", redis.hgetall(settings.keys.job))
        streams = redis.exists(*settings.keys.changes)
    if "job_id" in known:
        check_same(known, settings, views)
    elif not streams:
        raise ConfigError(
            f"{settings.keys.changes[0]}: Redis has neither this stream nor {settings.keys.job}; expected a feed to "
            "compare: correct REDIS_URL or DBWATCH_PREFIX, or start a job with `dbwatch run`"
        )
