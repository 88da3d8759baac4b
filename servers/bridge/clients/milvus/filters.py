"""Checks Milvus filter expressions: tokenized, allowed token by token, and only then joined with our own.

A filter that is not balanced, or that names a field it must not, never reaches the store.
"""

import re
from collections.abc import Iterator

from tools.errors import BadRequest

FIELDS = frozenset({"id", "document_id", "language", "title", "source", "heading", "text", "metadata"})
WORDS = frozenset({"and", "or", "not", "in", "like", "true", "false", "exists"})
FUNCTIONS = frozenset({"json_contains", "json_contains_all", "json_contains_any", "array_length"})
TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    |(?P<name>[A-Za-z_]\w*)
    |(?P<sign>==|!=|<=|>=|&&|\|\||\*\*|[<>()\[\],+\-*/%!]))""",
    re.VERBOSE,
)
WORD = re.compile(
    r"""(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?P<word>\b(?:AND|OR|NOT|IN|LIKE|TRUE|FALSE|EXISTS)\b)""",
    re.IGNORECASE,
)
MAX_CHARS = 10_000
MAX_TOKENS = 2_000
MAX_DEPTH = 20
PAIRS = {")": "(", "]": "["}
JOINS = frozenset({"and", "or", "in", "like", *"== != < > <= >= && || + - * / % ** ,".split()})
BEFORE = frozenset({"not", "exists", "!", "+", "-", "("})
"""What may stand before a value; `[` does too, and after one it chooses a part of it."""


def compiled(expression: str | None) -> str:
    """The expression when it is safe, its operators in small letters, "" when there is none. Raises
    BadRequest `invalid_filter`, over `MAX_CHARS`, `MAX_TOKENS` or `MAX_DEPTH` too."""
    if expression is None or not expression.strip():
        return ""
    found = list(_tokens(expression)) if len(expression) <= MAX_CHARS else []
    if not 0 < len(found) <= MAX_TOKENS:
        raise _invalid("the filter is too long")
    _check_balance(found)
    for place, (kind, value) in enumerate(found):
        if kind == "name":
            following = found[place + 1][1] if place + 1 < len(found) else ""
            _check_name(value, following)
    _check_order([value.lower() if kind == "name" else value for kind, value in found])
    return WORD.sub(_small, expression.strip())


def scoped(tenant: str, expression: str) -> str:
    """`expression` (already compiled) within one tenant's rows."""
    own = f'tenant == "{tenant}"'
    return f"{own} and ({expression})" if expression else own


def _tokens(expression: str) -> Iterator[tuple[str, str]]:
    place = 0
    text = expression.rstrip()
    while place < len(text):
        found = TOKEN.match(text, place)
        if found is None or found.lastgroup is None:
            raise _invalid(f"the filter is not valid at position {place}")
        yield found.lastgroup, found[found.lastgroup]
        place = found.end()


def _check_balance(found: list[tuple[str, str]]) -> None:
    opened: list[str] = []
    for kind, value in found:
        if kind != "sign":
            continue
        if value in "([":
            opened.append(value)
        elif value in PAIRS and (not opened or opened.pop() != PAIRS[value]):
            raise _invalid("the filter's brackets do not match")
        if len(opened) > MAX_DEPTH:
            raise _invalid("the filter is nested too deeply")
    if opened:
        raise _invalid("the filter's brackets do not match")


def _check_order(words: list[str]) -> None:
    """Values and what joins them take turns: Milvus Lite reads a filter as far as it understands it, and
    would leave out what follows."""
    value, before = False, ""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        turned = _after_value(word, before, following) if value else _before_value(word, before)
        if turned is None:
            raise _invalid(f"the filter lacks {'an operator' if value else 'a value'} before {word[:40]}")
        value, before = turned, word
    if not value:
        raise _invalid("the filter is not finished")


def _after_value(word: str, before: str, following: str) -> bool | None:
    """Whether a value stands there when `word` has been read after one; None where it must not come."""
    if word in PAIRS or (word == "not" and following in ("in", "like")):
        return True
    if word in JOINS or word == "[" or (word == "(" and before in FUNCTIONS):
        return False
    return None


def _before_value(word: str, before: str) -> bool | None:
    """The same, where a value is still to come."""
    if word in BEFORE or word == "[":
        return False
    if word in JOINS or (word in PAIRS and (word, before) != ("]", "[")):
        return None
    return True


def _small(found: re.Match[str]) -> str:
    """Milvus Lite does not know its operators in capitals."""
    return found[0].lower() if found.lastgroup == "word" else found[0]


def _check_name(name: str, following: str) -> None:
    lowered = name.lower()
    if following == "(" and lowered not in WORDS:
        if lowered not in FUNCTIONS:
            raise _invalid(f"the function {name[:40]} is not allowed in a filter")
        return
    if lowered not in WORDS and name not in FIELDS:
        raise _invalid(f'the field {name[:40]} is not known; metadata is reached as metadata["key"]')


def _invalid(reason: str) -> BadRequest:
    return BadRequest(reason, param="filter", source="milvus", code="invalid_filter")
