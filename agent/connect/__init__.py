"""Certificates of the mesh: the builtin authority of the servers, and the leaves of this agent.

``authority`` is the servers' side (roots, signing, rotation), ``leaf`` the agent's (keys that are
made here and never leave, certificates that are renewed in time).
"""
