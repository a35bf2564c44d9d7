"""The mesh of this agent: what its proxies are told, and the workers that carry their traffic."""
