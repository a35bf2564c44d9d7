"""The agent: composes membership, consensus, state, checks, DNS and HTTP into one process."""
