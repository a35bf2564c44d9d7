"""The rules of Raft without I/O: one ``Raft`` value per server. Contract in ``README.md``."""
