"""The function registry: an nGQL name → how many arguments, what computes it, the type it gives.

The functions themselves are in the files beside it; aggregates are in `aggregates`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from servers.graph.functions import conversions, dates, graph_elements, lists, maths, strings

AGGREGATES = frozenset(
    {"count", "sum", "avg", "max", "min", "std", "bit_and", "bit_or", "bit_xor", "collect", "collect_set"}
)
RANDOM = frozenset({"rand", "rand32", "rand64", "uuid"})


@dataclass(frozen=True, slots=True)
class Function:
    """A built-in: `run` takes from `min_args` to `max_args` values, None where any number may follow.

    `result` is the type that every call gives (INT, STRING …), "" when it depends on the arguments.
    """

    run: Callable[..., Any]
    min_args: int
    max_args: int | None
    result: str = ""


def _collect() -> dict[str, Function]:
    found: dict[str, Function] = {}
    for module in (maths, strings, conversions, lists, dates, graph_elements):
        for name, (run, min_args, max_args, *result) in module.FUNCTIONS.items():
            found[name] = Function(run, min_args, max_args, *result)
    return found


FUNCTIONS = _collect()


def find_function(name: str, count: int) -> Function | None:
    """The function of that name (in any case) that takes `count` arguments, or None."""
    function = FUNCTIONS.get(name.lower())
    if function is None or count < function.min_args:
        return None
    return function if function.max_args is None or count <= function.max_args else None


def is_known_call(name: str, count: int) -> bool:
    """Whether the parser accepts a call of `count` arguments: a function, or an aggregate of one."""
    return find_function(name, count) is not None or (name.lower() in AGGREGATES and count == 1)
