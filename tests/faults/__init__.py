"""The fault suite: the real job on real servers, through faults at random moments, held against what really happened.

`python -m tests.faults --help`, or `make faults`.
"""
