"""A client agent's side: it keeps no state and asks a server."""
