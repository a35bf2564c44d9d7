"""Prepared queries: what may be stored, templates, and which instances a query selects."""

from catalog.selection.definition import validate_query
from catalog.selection.distance import (
    distance_s,
    put_near_first,
    segment_distance_s,
    sort_by_distance,
)
from catalog.selection.failover import failover_datacenters
from catalog.selection.lookup import find_query, render_query
from catalog.selection.select import limited, select
from catalog.selection.template import Template, compile_template

__all__ = [
    "Template",
    "compile_template",
    "distance_s",
    "failover_datacenters",
    "find_query",
    "limited",
    "put_near_first",
    "render_query",
    "segment_distance_s",
    "select",
    "sort_by_distance",
    "validate_query",
]
