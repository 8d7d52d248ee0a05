"""Who may see what: sign-in, sessions, accounts, roles, and the fields that a role may not see."""
