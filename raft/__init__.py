"""Consensus and the durable log."""
