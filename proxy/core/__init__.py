"""The decisions and the protocols of the data plane: pure, without clock, randomness or sockets."""
