"""What the subjects of a backlog are called. Pure."""

from __future__ import annotations

FULL = "full join, recovery on"
FULL_OFF = "full join, recovery off"
CLUSTER = "full join, two processes"
PLAIN = "pass-through, recovery on"
PLAIN_OFF = "pass-through, recovery off"
SNAPSHOT = "snapshot, full join"
SNAPSHOT_PLAIN = "snapshot, pass-through"
DEBEZIUM = "Debezium, pass-through"
DRAIN = "PyMongo, to nowhere"
BARE_LOOP = "PyMongo to pipelined XADD"
BARE_LUA = "PyMongo to one Lua call per batch"
BARE_FIND = "find to pipelined XADD"

ABOUT = {
    FULL: "the job as shipped: comments joined with film and user; recovery snapshots at the default epoch of 5 s",
    FULL_OFF: "the same without `-r`: a restart would read the collections again",
    CLUSTER: "the same with recovery, as two processes of the engine's cluster; two change streams, two output streams",
    PLAIN: "a `dbwatch.toml` without lookups; recovery on",
    PLAIN_OFF: "the same without recovery",
    SNAPSHOT: "the first read of the same rows by a job that has not run before; recovery on; rows, not changes",
    SNAPSHOT_PLAIN: "the same without lookups",
    DEBEZIUM: "Debezium's embedded engine (Java), no join, to Redis Streams by pipelines of Jedis; warmed up",
    DRAIN: "limit: `watch()`, each change decoded to a dict and dropped",
    BARE_LOOP: "limit: `watch()`, JSON by orjson, five fields, 1,000 XADD in a round trip; no position kept, no join",
    BARE_LUA: "limit: the same loop with one Lua call for 1,000 entries",
    BARE_FIND: "limit: `find()` over the same rows, JSON by orjson, 1,000 XADD in a round trip",
}
