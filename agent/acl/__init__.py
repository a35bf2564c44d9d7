"""Access control at the agent's edge."""
