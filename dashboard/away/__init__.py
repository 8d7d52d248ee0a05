"""While you were away: what somebody has seen, and what they missed."""
