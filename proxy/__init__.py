"""The mesh data plane: a worker process that carries the traffic of every proxy of a host."""
