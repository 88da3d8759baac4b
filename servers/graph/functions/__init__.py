"""nGQL's functions: plain Python over values, gathered in one table."""

from servers.graph.functions.table import AGGREGATES, Function, find, known

__all__ = ["AGGREGATES", "Function", "find", "known"]
