"""Who may do what: rules, the authorizer made of them, and what identities grant. Pure."""
