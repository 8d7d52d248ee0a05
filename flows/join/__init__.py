"""The foreign-key join, a left join kept up to date from both sides, as functions of values.

A change travels through stages. State is kept in shards, by a hash of the key, and a stage is a function of a shard and
a message, `apply(shard, message, out)`, which changes the shard and adds to `out` what to do next:

    keys      shards of rows: numbers a row's versions within the epoch, and tells the foreign keys that it left
    values    shards of foreign keys, by lookup: the candidate rows' chosen fields, the subscribers, the count `n`; one
              stage for the first lookup of each view, one for the second, and so on: a row visits them in turn and
              takes its answers along
    rows      the same shards as `keys`: puts versions back in order, joins them, and joins again when an answer changes

Messages between two shards of two stages keep their order; anything else may overtake anything within an epoch. An
epoch ends when nothing is in flight, for then the engine takes its snapshot: `shard.close()` drops what only mattered
until then. What is written of a shard are its `levels`.
"""
