"""The rules of gossip membership: pure, without clock, socket, randomness or log."""
