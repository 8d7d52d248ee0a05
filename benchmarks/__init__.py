"""Benchmarks on real servers: what the job can do, what it costs, and what others can do on the same machine."""
