"""What a first `dbwatch.toml` could say, guessed from a look at a database: lookups, their fields, and masks. Pure.

A lookup is guessed where a field's values are found as the `_id`, or as a uniquely indexed field, of a collection.
Values that mean something by themselves (ObjectIds, UUIDs) are enough; others, such as numbers, must also be named
after what they refer to, as `movie_id` is after `movies`, or alike, as `email` and `email`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, cast

from bson.binary import Binary
from bson.objectid import ObjectId

from connectors.rows import ref_text

_MOST_VALUES = 50
_ENOUGH_FOUND = 0.8
_ENOUGH_TO_COMPARE = 5
_SHORTEST_STEM = 3
_SHORT_TEXT = 80
_MOST_FIELDS = 4
_DEEPEST = 4

_SECRET_WORDS = {
    *("password", "passwd", "pwd", "passphrase", "passcode", "pass", "secret", "secrets", "token", "tokens", "jwt"),
    *("hash", "hashed", "salt", "credential", "credentials", "otp", "pin", "cvv", "cvc", "ssn", "apikey", "privatekey"),
}
_SECRET_PAIRS = {("api", "key"), ("private", "key"), ("access", "key"), ("secret", "key"), ("card", "number")}
_SECRET_VALUE = re.compile(r"\$2[abxy]?\$|\$argon2|\$scrypt\$|\$pbkdf2|\$[156]\$|-----BEGIN [A-Z ]*PRIVATE KEY")
_TELLING = (
    "name",
    "title",
    "label",
    "status",
    "type",
    "category",
    "year",
    "genres",
    "rating",
    "price",
    "country",
    "city",
)
_ID_SUFFIX = re.compile(r"(?<=.)(_id|Id|ID|_ref|Ref|_key)$")


class Look(NamedTuple):
    """What was seen of one collection: some documents, and the fields that a unique index is on."""

    documents: Sequence[Mapping[str, Any]]
    unique: tuple[str, ...] = ()


class Lookup(NamedTuple):
    """`fields` is empty when none stands out; `found` of `asked` sampled values were there."""

    name: str
    collection: str
    local: str
    foreign: str
    fields: tuple[str, ...]
    found: int
    asked: int


class View(NamedTuple):
    collection: str
    mask: tuple[str, ...]
    lookups: tuple[Lookup, ...]


class _Match(NamedTuple):
    """A place in which a field's values were found; the greater the better."""

    named: bool
    share: float
    by_id: bool
    collection: str
    foreign: str
    found: int
    asked: int


Found = Callable[[str, str, Sequence[Any]], int]
"""How many of the values are in a collection's field."""


def guess(looks: Mapping[str, Look], found: Found) -> list[View]:
    """A view of each collection, in order of name."""
    masks = {name: masked(look.documents) for name, look in looks.items()}
    return [View(name, masks[name], tuple(_lookups(name, looks, masks, found))) for name in sorted(looks)]


def masked(documents: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The fields that look secret, by name or by value."""
    paths: dict[str, None] = {}
    for document in documents:
        for path, value in _fields(document, in_arrays=True):
            if path != "_id" and (_is_secret_name(path) or _is_secret_value(value)):
                paths[path] = None
    return tuple(path for path in paths if not any(path.startswith(other + ".") for other in paths))


def telling_fields(look: Look, left_out: Sequence[str]) -> tuple[str, ...]:
    """A few fields that tell which row it is: short, in most documents; those with a well-known name first."""
    seen: dict[str, list[str]] = {}
    for document in look.documents:
        for path, value in _fields(document):
            if _is_short(value):
                seen.setdefault(path, []).append(repr(value))
    most = len(look.documents) / 2
    common = [path for path, values in seen.items() if len(values) > most and not _is_constant(values)]
    allowed = [
        path for path in common if not any(path == out or path.startswith(out + ".") for out in ("_id", *left_out))
    ]
    known = sorted((path for path in allowed if _leaf(path) in _TELLING), key=_telling_rank)
    unrepeated = [path for i, path in enumerate(known) if _leaf(path) not in map(_leaf, known[:i])]
    others = [path for path in allowed if path not in known and "." not in path]
    return tuple((unrepeated or others)[:_MOST_FIELDS])


def _lookups(
    name: str, looks: Mapping[str, Look], masks: Mapping[str, Sequence[str]], found: Found
) -> Iterator[Lookup]:
    taken = {field for document in looks[name].documents for field in document}
    for local, values in _values(looks[name].documents).items():
        if local == "_id" or _is_below(local, masks[name]):
            continue
        matches = [m for m in _matches(name, local, values, looks, masks, found) if m.share >= _ENOUGH_FOUND]
        if matches:
            best = max(matches)
            lookup_name = _name(local, best.collection, taken)
            taken.add(lookup_name)
            fields = telling_fields(looks[best.collection], (best.foreign, *masks[best.collection]))
            yield Lookup(lookup_name, best.collection, local, best.foreign, fields, best.found, best.asked)


def _matches(
    name: str,
    local: str,
    values: Sequence[Any],
    looks: Mapping[str, Look],
    masks: Mapping[str, Sequence[str]],
    found: Found,
) -> Iterator[_Match]:
    telling = all(_is_unmistakable(value) for value in values)
    for collection, look in looks.items():
        for foreign in dict.fromkeys(("_id", *look.unique)):
            if (collection, foreign) == (name, local) or _is_below(foreign, masks[collection]):
                continue
            named = _is_named_after(local, collection, foreign)
            if (telling or named) and _kinds(values) & _kinds(_at_field(look, foreign)):
                count = found(collection, foreign, values)
                share = count / len(values)
                yield _Match(named, share, foreign == "_id", collection, foreign, count, len(values))


def _values(documents: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The different values of each field that could refer to something, in order of appearance."""
    seen: dict[str, dict[str, Any]] = {}
    for document in documents:
        for path, value in _fields(document):
            text = ref_text(value) if isinstance(value, ObjectId | Binary | str | int) else None
            if text is not None and not isinstance(value, bool):
                seen.setdefault(path, {})[text] = value
    return {path: list(values.values())[:_MOST_VALUES] for path, values in seen.items()}


def _at_field(look: Look, path: str) -> list[Any]:
    return [value for document in look.documents for at, value in _fields(document) if at == path]


def _fields(value: Mapping[str, Any], prefix: str = "", *, in_arrays: bool = False) -> Iterator[tuple[str, Any]]:
    """The leaves of a document that a path can name; an array is one, unless its documents are looked into as well."""
    for name, item in value.items():
        if not name or "." in name or prefix.count(".") >= _DEEPEST:
            continue
        path = prefix + name
        if isinstance(item, Mapping):
            yield path, None
            yield from _fields(cast("Mapping[str, Any]", item), path + ".", in_arrays=in_arrays)
        else:
            yield path, item
            if in_arrays and isinstance(item, list):
                for element in cast("list[Any]", item):
                    if isinstance(element, Mapping):
                        yield from _fields(cast("Mapping[str, Any]", element), path + ".", in_arrays=True)


def _kinds(values: Sequence[Any]) -> set[type]:
    return {int if isinstance(value, int) else type(value) for value in values}


def _is_unmistakable(value: Any) -> bool:
    """Whether no other thing has this value by chance."""
    return isinstance(value, ObjectId) or (isinstance(value, Binary) and value.subtype in (3, 4))


def _is_named_after(local: str, collection: str, foreign: str) -> bool:
    leaf = _leaf(local)
    if foreign != "_id" and leaf.lower() == _leaf(foreign).lower():
        return True
    stem = _plain(_ID_SUFFIX.sub("", leaf))
    target = _plain(collection)
    abbreviated = len(stem) >= _SHORTEST_STEM and target.startswith(stem) and _ID_SUFFIX.search(leaf) is not None
    return stem.endswith((target, _singular(target))) or abbreviated


def _name(local: str, collection: str, taken: set[str]) -> str:
    """What the joined row is called: after the field, or after the collection; never as a field that is there."""
    leaf = _leaf(local)
    stem, row = _ID_SUFFIX.sub("", leaf), re.sub(r"\W+", "_", _singular(collection))
    choices = (*((stem,) if stem != leaf else ()), row, f"{stem}_{row}", *(f"{stem}_{row}_{i}" for i in range(2, 100)))
    return next(choice for choice in choices if choice not in taken and choice != "row")


def _singular(name: str) -> str:
    lower = name.lower()
    if len(name) <= _SHORTEST_STEM:
        return name
    if lower.endswith("ies") and lower not in ("movies", "series", "cookies"):
        return name[:-3] + "y"
    if lower.endswith(("sses", "shes", "ches", "xes", "zes")):
        return name[:-2]
    return name[:-1] if lower.endswith("s") and not lower.endswith(("ss", "us", "is", "series")) else name


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


def _leaf(path: str) -> str:
    return path.rpartition(".")[2]


def _telling_rank(path: str) -> tuple[int, int]:
    return _TELLING.index(_leaf(path)), path.count(".")


def _is_below(path: str, others: Sequence[str]) -> bool:
    return any(path == other or path.startswith(other + ".") for other in others)


def _is_constant(values: Sequence[str]) -> bool:
    return len(values) >= _ENOUGH_TO_COMPARE and len(set(values)) == 1


def _is_short(value: Any) -> bool:
    if isinstance(value, list):
        items = cast("list[Any]", value)
        return len(items) <= 10 and all(isinstance(item, str) and len(item) <= _SHORT_TEXT for item in items)
    if isinstance(value, str):
        return len(value) <= _SHORT_TEXT
    return value is not None and not isinstance(value, bytes | ObjectId | Mapping)


def _is_secret_name(path: str) -> bool:
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", _leaf(path))]
    return bool(_SECRET_WORDS & set(words)) or bool(_SECRET_PAIRS & set(pairwise(words)))


def _is_secret_value(value: Any) -> bool:
    return isinstance(value, str) and _SECRET_VALUE.match(value) is not None
