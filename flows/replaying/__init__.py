"""Batch replay: the past once more, from a recovery snapshot or from the beginning of the archive, up to a moment.

request    what is asked for (pure)
choosing   which chapter of the archive it is read from, and from where on
note       what is written beside the recovery store of a replay
ledger     what Redis knows of a replay, and its lock
repairing  writing into the live stream, while the job is stopped
tally      what came of it
"""
