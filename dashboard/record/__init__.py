"""One record: what changed, the whole row, what caused it, and the addresses that stay."""
