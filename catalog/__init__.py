"""Replicated state: declared tables, deterministic commands and pure queries. No I/O."""
