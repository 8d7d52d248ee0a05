"""Whether the feed says what the database holds, found out in bounded memory: see `flows.verify.comparison`."""
