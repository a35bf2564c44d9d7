"""Prepared queries. Source: Consul API, /v1/query."""
