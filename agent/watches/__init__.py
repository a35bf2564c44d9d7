"""Watches of the configuration: handlers that run when a view of the cluster changes."""
