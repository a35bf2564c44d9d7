"""Gossip membership."""
