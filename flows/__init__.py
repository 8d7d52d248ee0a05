"""The job: what is joined with what, the join, and the dataflow that runs it."""
