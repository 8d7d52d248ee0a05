"""The foreign-key join, a left join kept up to date from both sides, as functions of values.

A change travels through stages; each keeps state by key and is a function `apply(state, message) -> (state, messages)`:

    keys      by row: which foreign keys the row refers to, and how many versions it had in this epoch
    values    by lookup and foreign key: the candidate rows' chosen fields, the subscribers, the count `n`; one stage
              for the first lookup of each view, one for the second, and so on: a row visits them in turn and takes its
              answers along
    members   by lookup, foreign key and bucket: the subscribers beyond the first few, so that no state grows without
              bound
    rows      by row: puts versions back in order, joins them, and joins again when an answer changes

Messages between two keys of two stages keep their order; anything else may overtake anything within an epoch. An epoch
ends when nothing is in flight, for then the engine takes its snapshot: `close(state)` drops what only mattered until
then.
"""
