"""Functions of mathematics, random numbers, hashing and bits: `abs`, `round`, `pow`, `rand32`, `hash` …"""

import math
import random
import struct
from collections.abc import Callable
from typing import Any

from servers.graph.values.arithmetic import checked_int, is_number
from servers.graph.values.types import BAD_TYPE, MAX_INT, NULL, OUT_OF_RANGE, Empty, Null

MASK = 2**64 - 1


def number(run: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates a function of numbers.

    NULL and EMPTY give NULL, other types BAD_TYPE; outside its domain NaN, too large infinity.
    """

    def guarded(*values: Any) -> Any:
        for value in values:
            if isinstance(value, Null | Empty):
                return NULL
            if not is_number(value):
                return BAD_TYPE
        try:
            return run(*values)
        except ValueError:
            return math.nan
        except OverflowError:
            return math.inf

    return guarded


def integers(run: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates a function of integers.

    NULL and EMPTY give NULL, anything else that is no integer BAD_TYPE.
    """

    def guarded(*values: Any) -> Any:
        for value in values:
            if isinstance(value, Null | Empty):
                return NULL
            if type(value) is not int:
                return BAD_TYPE
        return run(*values)

    return guarded


def rounded(value: Any, digits: Any = 0, mode: Any = "half_up") -> Any:
    """`round(number, digits = 0, mode = "half_up")`: a float; NULL and EMPTY give NULL, wrong types BAD_TYPE.

    `mode`, in any case, is one of ROUNDINGS; `up` is away from zero, `down` towards it.
    """
    if isinstance(value, Null | Empty):
        return NULL
    run = ROUNDINGS.get(mode.lower()) if type(mode) is str else None
    if not is_number(value) or type(digits) is not int or run is None:
        return BAD_TYPE
    scale = 10.0 ** max(-400, min(digits, 308))
    scaled = value * scale
    return run(scaled) / scale if math.isfinite(scaled) and scale else float(value)


def _half(decide: Callable[[float], float]) -> Callable[[float], float]:
    """Rounds to the nearest integer; `decide` gives the one for what lies half way above a floor."""

    def run(scaled: float) -> float:
        low = math.floor(scaled)
        rest = scaled - low
        return decide(low) if rest == 0.5 else float(low + (rest > 0.5))

    return run


ROUNDINGS: dict[str, Callable[[float], float]] = {
    "up": lambda scaled: math.copysign(math.ceil(abs(scaled)), scaled),
    "down": lambda scaled: math.copysign(math.floor(abs(scaled)), scaled),
    "ceiling": lambda scaled: float(math.ceil(scaled)),
    "floor": lambda scaled: float(math.floor(scaled)),
    "half_up": _half(lambda low: low + (low >= 0)),
    "half_down": _half(lambda low: low + (low < 0)),
    "half_even": _half(lambda low: low + low % 2),
}


def absolute(value: Any) -> Any:
    """`abs(number)`; of the smallest integer OVERFLOW."""
    return checked_int(abs(value)) if type(value) is int else abs(value)


def sign(value: float) -> int:
    """`sign(number)`: -1, 0 or 1."""
    return (value > 0) - (value < 0)


def power(base: Any, exponent: Any) -> Any:
    """`pow(base, exponent)`: an integer for integers whose result is one and fits 64 bits, else a float.

    Zero to a negative integer is infinity.
    """
    if type(base) is int and type(exponent) is int:
        result = float(base) ** exponent if base or exponent >= 0 else math.inf
        return int(base**exponent) if exponent >= 0 and abs(result) <= MAX_INT else result
    return float(base) ** exponent


def random_between(low: int, high: int) -> Any:
    """A random integer, low ≤ it < high; OUT_OF_RANGE when there is none."""
    return random.randrange(low, high) if low < high else OUT_OF_RANGE


def rand32(*bounds: Any) -> Any:
    """`rand32()`: an integer in [0, 2^31).

    `rand32(high)` and `rand32(low, high)` are `random_between`, from 0 or `low`. What is no integer, NULL
    included, gives BAD_TYPE.
    """
    return _rand(2**31, bounds, unsigned=True)


def rand64(*bounds: Any) -> Any:
    """`rand64()`: an integer in [-2^63, 2^63). With arguments as `rand32`."""
    return _rand(2**63, bounds, unsigned=False)


def _rand(top: int, bounds: tuple[Any, ...], *, unsigned: bool) -> Any:
    if any(type(bound) is not int for bound in bounds):
        return BAD_TYPE
    if len(bounds) == 2:
        return random_between(bounds[0], bounds[1])
    if len(bounds) == 1:
        return random_between(0, bounds[0])
    return random.randrange(0 if unsigned else -top, top)


def murmur(data: bytes, seed: int = 0xC70F6907) -> int:
    """MurmurHash64A with libstdc++'s seed, as its std::hash of strings. A signed 64-bit integer."""
    multiplier = 0xC6A4A7935BD1E995
    state = (seed ^ (len(data) * multiplier)) & MASK
    whole_bytes = len(data) & ~7
    for at in range(0, whole_bytes, 8):
        block = int.from_bytes(data[at : at + 8], "little") * multiplier & MASK
        block = (block ^ (block >> 47)) * multiplier & MASK
        state = (state ^ block) * multiplier & MASK
    if len(data) > whole_bytes:
        state = (state ^ int.from_bytes(data[whole_bytes:], "little")) * multiplier & MASK
    state = (state ^ (state >> 47)) * multiplier & MASK
    state ^= state >> 47
    return state - 2**64 if state >= 2**63 else state


def hashed(value: Any) -> Any:
    """`hash(value)`: integers and booleans as they are, texts and floats by `murmur`, NULL as -1.

    EMPTY and 0.0 give 0; other values hash their Python text, unlike the cluster.
    """
    match value:
        case bool() | int():
            return int(value)
        case float():
            return murmur(struct.pack("<d", value)) if value else 0
        case str():
            return murmur(value.encode())
        case Null():
            return -1
        case Empty():
            return 0
    return murmur(repr(value).encode())


FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "abs": (number(absolute), 1, 1),
    "floor": (number(lambda x: float(math.floor(x))), 1, 1, "FLOAT"),
    "ceil": (number(lambda x: float(math.ceil(x))), 1, 1, "FLOAT"),
    "round": (rounded, 1, 3, "FLOAT"),
    "sqrt": (number(math.sqrt), 1, 1, "FLOAT"),
    "cbrt": (number(lambda x: math.copysign(round(abs(x) ** (1 / 3), 12), x)), 1, 1, "FLOAT"),
    "hypot": (number(math.hypot), 2, 2, "FLOAT"),
    "pow": (number(power), 2, 2),
    "exp": (number(math.exp), 1, 1, "FLOAT"),
    "exp2": (number(lambda x: 2.0**x), 1, 1, "FLOAT"),
    "log": (number(lambda x: math.log(x) if x else -math.inf), 1, 1, "FLOAT"),
    "log2": (number(lambda x: math.log2(x) if x else -math.inf), 1, 1, "FLOAT"),
    "log10": (number(lambda x: math.log10(x) if x else -math.inf), 1, 1, "FLOAT"),
    "sin": (number(math.sin), 1, 1, "FLOAT"),
    "asin": (number(math.asin), 1, 1, "FLOAT"),
    "cos": (number(math.cos), 1, 1, "FLOAT"),
    "acos": (number(math.acos), 1, 1, "FLOAT"),
    "tan": (number(math.tan), 1, 1, "FLOAT"),
    "atan": (number(math.atan), 1, 1, "FLOAT"),
    "rand": (random.random, 0, 0, "FLOAT"),
    "rand32": (rand32, 0, 2, "INT"),
    "rand64": (rand64, 0, 2, "INT"),
    "bit_and": (integers(lambda a, b: a & b), 2, 2, "INT"),
    "bit_or": (integers(lambda a, b: a | b), 2, 2, "INT"),
    "bit_xor": (integers(lambda a, b: a ^ b), 2, 2, "INT"),
    "sign": (number(sign), 1, 1, "INT"),
    "e": (lambda: math.e, 0, 0, "FLOAT"),
    "pi": (lambda: math.pi, 0, 0, "FLOAT"),
    "radians": (number(math.radians), 1, 1, "FLOAT"),
    "hash": (hashed, 1, 1, "INT"),
}
