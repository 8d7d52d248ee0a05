"""What `dbwatch doctor` looks at (`look_*`, edges), the facts that it finds, and what it makes of them (pure)."""
