"""The filter language of ``?filter=``: parse, check against a row's fields, compile to a test."""

from catalog.filters.compiled import compile_filter
from catalog.filters.syntax import FilterError

__all__ = ["FilterError", "compile_filter"]
