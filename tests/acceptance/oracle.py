"""A consumer that knows only the contract: reads the feed and the database, joins for itself, and names every
difference.

It imports nothing of the project on purpose.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple, cast

from bson import json_util
from bson.objectid import ObjectId
from pymongo import MongoClient
from redis import Redis

Document = dict[str, Any]
RowKey = tuple[str, str]
MOVIE_FIELDS = ("title", "year")
SECRET = "never-to-be-seen"


class Entry(NamedTuple):
    """One record as a consumer meets it."""

    id: str
    fields: Mapping[str, str]

    @property
    def row_key(self) -> RowKey:
        return self.fields["view"], self.fields["key"]

    def json(self, name: str) -> Any:
        text = self.fields.get(name)
        return None if text is None else json.loads(text)


def key_of(value: Any) -> str:
    if isinstance(value, ObjectId):
        return str(value)
    return json_util.dumps(value, json_options=json_util.CANONICAL_JSON_OPTIONS)


def read_feed(redis_url: str, streams: list[str]) -> list[Entry]:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        entries: list[Entry] = []
        for stream in streams:
            found = cast("list[tuple[str, dict[str, str]]]", client.xrange(stream))
            entries += [Entry(entry_id, fields) for entry_id, fields in found]
    return entries


def batch_join(mongo: MongoClient[Document], database: str) -> dict[RowKey, Document]:
    """What the last record of each row must hold, read from the database alone."""
    db = mongo[database]
    return joined_rows({name: list(db[name].find()) for name in ("movies", "users", "comments")})


def joined_rows(rows: Mapping[str, Iterable[Document]]) -> dict[RowKey, Document]:
    """The same of these rows, by collection."""
    movies = {key_of(m["_id"]): m for m in rows["movies"]}
    users = {key_of(u["_id"]): u for u in rows["users"]}
    joined: dict[RowKey, Document] = {("movies", key): plain(m) for key, m in movies.items()}
    joined |= {("users", key): plain({k: v for k, v in u.items() if k != "password"}) for key, u in users.items()}
    for comment in rows["comments"]:
        movie = movies.get(key_of(comment["movie_id"])) if comment.get("movie_id") is not None else None
        email = comment.get("email")
        same = sorted(k for k, u in users.items() if email is not None and u.get("email") == email)
        joined["comments", key_of(comment["_id"])] = {
            **plain(comment),
            "movie": None if movie is None else {f: movie[f] for f in MOVIE_FIELDS if f in movie},
            "user": {"name": users[same[0]]["name"]} if same else None,
        }
    return joined


def plain(document: Document) -> Document:
    return {k: str(v) if isinstance(v, ObjectId) else v for k, v in document.items()}


def differences(
    feed: list[Entry], joined: Mapping[RowKey, Document], changes: Mapping[RowKey, int], *, snapshot: frozenset[RowKey]
) -> list[str]:
    """What is wrong with the feed, in words. `changes` counts, by row, the changes that were made after the snapshot;
    the rows of `snapshot` were there before.
    """
    bad: list[str] = []
    by_row: defaultdict[RowKey, list[Entry]] = defaultdict(list)
    for entry in feed:
        by_row[entry.row_key].append(entry)
        if any(SECRET in text for text in entry.fields.values()):
            bad.append(f"{entry.row_key}: a masked value stands in {entry.id}")
        after = entry.json("after")
        if entry.fields["view"] == "comments" and after is not None and not {"movie", "user"} <= set(after):
            bad.append(f"{entry.row_key}: half-joined record {entry.id}")
    own = Counter(e.row_key for e in feed if "cause" not in e.fields and e.fields["op"] != "r")
    bad += [
        f"{row}: {changes.get(row, 0)} changes, {own[row]} records without cause"
        for row in {*own, *changes}
        if own[row] != changes.get(row, 0)
    ]
    read = Counter(e.row_key for e in feed if e.fields["op"] == "r")
    if read != Counter(dict.fromkeys(snapshot, 1)):
        bad.append(f"snapshot rows: {len(snapshot)}, records r: {read.total()}")
    for row, entries in by_row.items():
        bad += [f"{row}: {b.id} is not forward of {a.id}" for a, b in pairwise(entries) if not forward(a, b)]
    for row in {*by_row, *joined}:
        last = by_row[row][-1].json("after") if row in by_row else None
        if last != joined.get(row):
            bad.append(f"{row}: the last record holds {last}, the batch join {joined.get(row)}")
    return bad


def forward(a: Entry, b: Entry) -> bool:
    old, new = a.json("versions"), b.json("versions")
    if new["row"] != old["row"]:
        return new["row"] > old["row"]
    names = [name for name in new if name != "row"]
    pairs = [(old[name][0], new[name][0]) for name in names]
    return all(y >= x for x, y in pairs) and any(y > x for x, y in pairs)
