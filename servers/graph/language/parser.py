"""The parser: nGQL to syntax trees, by Lark's LALR(1) with tables kept on disk and a cache of statements.

A statement's literals are cut out first: statements that differ only in them share one template.
"""

import hashlib
import marshal
import os
import threading
from collections import OrderedDict
from dataclasses import fields, is_dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lark import Lark, Token, UnexpectedInput
from lark.exceptions import VisitError
from lark.grammar import Rule
from lark.lexer import TerminalDef

from servers.graph.errors import NgqlSyntaxError, QueryError, StatementEmpty
from servers.graph.language import ddl_statements as d
from servers.graph.language import dml_statements as w
from servers.graph.language.bulk_insert import LiteralBlock, single_row_statement
from servers.graph.language.expressions import Expr
from servers.graph.language.lexer import (
    KEYWORDS,
    MAX_DEPTH,
    SYMBOLS,
    TOO_DEEP,
    NgqlLexer,
    Slot,
    split_literals,
    tokens,
)
from servers.graph.language.quoting import Misplaced, near
from servers.graph.language.statements import Explain, Statement
from servers.graph.language.template import Template
from servers.graph.language.transformer.dml_rules import AstTransformer

CACHED_TEMPLATES = 1024
"""The most recently used are kept."""

_BESIDE = Path(__file__).parent / "__pycache__" / "grammar.tables"
MAX_CACHED_LENGTH = 16_384
"""Characters of a statement, its literals cut out, that is kept."""

VALUE_TOKENS = "NAME STRING_VALUE DOUBLE_VALUE INTEGER VARIABLE IPV4 _PLPAR PREDICATE"
OPTIONS: dict[str, Any] = {"parser": "lalr", "lexer": NgqlLexer, "maybe_placeholders": False}


class Parser:
    """Parses nGQL. Safe for many threads. `tables` is where parse tables may be kept."""

    def __init__(self, tables: Path | None = None) -> None:
        self._lark = _load([_BESIDE, *([tables] if tables else [])])
        self._templates: OrderedDict[str, Template] = OrderedDict()
        self._lock = threading.Lock()

    def parse(self, text: str) -> list[Statement]:
        """The statements of a request. Raises `NgqlSyntaxError`, `StatementEmpty`."""
        split = None if "\0" in text else split_literals(text)
        if split is None:
            return self._run(text)
        skeleton, literals = split
        if not Template.accepts(literals):
            return self._run(text)
        batch = single_row_statement(skeleton)
        if batch is not None:
            statements = self._batch(*batch, literals)
            if statements is not None:
                return statements
        template = self._find(skeleton)
        if template is None:
            template = self._learn(skeleton, text, literals)
        return template.fill(literals) if isinstance(template, Template) else template

    def _batch(self, skeleton: str, count: int, literals: list[str]) -> list[Statement] | None:
        """One INSERT over a block of literals; None where the rows are not what they seem."""
        width, rest = divmod(len(literals), count)
        found = self._find(skeleton) or self._learn(skeleton, skeleton, [])
        if rest or not isinstance(found, Template) or len(found.statements) != 1:
            return None
        first = found.statements[0]
        if not isinstance(first, w.InsertVertices | w.InsertEdges):
            return None
        return [replace(first, block=LiteralBlock(literals, width, count))]

    def _find(self, skeleton: str) -> Template | None:
        with self._lock:
            template = self._templates.get(skeleton)
            if template is not None:
                self._templates.move_to_end(skeleton)
            return template

    def _learn(self, skeleton: str, text: str, literals: list[str]) -> Template | list[Statement]:
        if len(skeleton) > MAX_CACHED_LENGTH:
            return self._run(text)
        try:
            template = Template(self._run(skeleton))
        except NgqlSyntaxError:
            # The message must quote the caller's own text.
            return self._run(text)
        if any(isinstance(statement, _UNSHARED) for statement in template.statements):
            return self._run(text)
        with self._lock:
            self._templates[skeleton] = template
            if len(self._templates) > CACHED_TEMPLATES:
                self._templates.popitem(last=False)
        return template

    def _run(self, text: str) -> list[Statement]:
        try:
            statements: Any = self._lark.parse(text)
        except UnexpectedInput as exc:
            raise _refused(exc, text) from exc
        except Misplaced as exc:
            raise exc.quoted(text) from exc
        except VisitError as exc:
            if isinstance(exc.orig_exc, QueryError):
                raise exc.orig_exc from exc
            raise
        check_depth(statements)
        return statements


_UNSHARED = (d.CreateSchema, d.AlterSchema, d.CreateSpace, d.CreateIndex, Explain)


def check_depth(statements: list[Statement]) -> None:
    """Refuse expressions nested too deeply to be walked. Raises `NgqlSyntaxError`."""
    stack: list[tuple[Any, int]] = [(item, 0) for item in statements]
    while stack:
        node, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise NgqlSyntaxError(TOO_DEEP)
        if isinstance(node, list | tuple):
            stack += [(item, depth) for item in node]
        elif is_dataclass(node) and not isinstance(node, Slot):
            deeper = depth + isinstance(node, Expr)
            stack += [(getattr(node, part.name), deeper) for part in fields(node)]


def _refused(exc: UnexpectedInput, text: str) -> NgqlSyntaxError | StatementEmpty:
    token = getattr(exc, "token", None)
    if isinstance(token, Token) and token.type != "$END":
        return NgqlSyntaxError(f"syntax error near `{near(text, token.start_pos or 0, token.end_pos or 0)}'")
    last = next(reversed(list(tokens(text))), None)
    if last is None:
        return StatementEmpty("Statement is empty")
    # Where the statement just ends, the cluster quotes its last word.
    return NgqlSyntaxError(f"syntax error near `{near(text, last.start_pos or 0, last.end_pos or 0)}'")


def _grammar() -> str:
    text = (Path(__file__).parent / "grammar.lark").read_text(encoding="utf-8")
    names = sorted({*KEYWORDS, *SYMBOLS.values(), *VALUE_TOKENS.split()})
    return f"{text}\n%declare {' '.join(names)}\n"


def _load(paths: list[Path]) -> Lark:
    """From the first place that has this grammar's tables; else built and kept."""
    grammar = _grammar()
    stamp = hashlib.sha256(f"{version('lark')}\0{grammar}".encode()).hexdigest()
    known = next((found for found in (_read(path, stamp) for path in paths) if found), None)
    if known is not None:
        data, memo = known
        data["options"]["lexer"] = data["parser"]["lexer_conf"]["lexer_type"] = NgqlLexer
        return Lark.__new__(Lark)._load({"data": data, "memo": memo}, transformer=AstTransformer())
    lark = Lark(grammar, transformer=AstTransformer(), **OPTIONS)
    next((path for path in paths if _write(path, stamp, lark)), None)
    return lark


def _read(tables: Path, stamp: str) -> Any:
    try:
        kept = marshal.loads(tables.read_bytes())
    except (OSError, ValueError, EOFError, TypeError):
        return None
    return kept[1:] if isinstance(kept, tuple) and len(kept) == 3 and kept[0] == stamp else None


def _write(tables: Path, stamp: str, lark: Lark) -> bool:
    data, memo = lark.memo_serialize([TerminalDef, Rule])
    data["options"]["transformer"] = None
    # Marshal holds plain data only: nothing in the file can run. The lexer is put back on reading.
    data["options"]["lexer"] = data["parser"]["lexer_conf"]["lexer_type"] = None
    part = tables.with_suffix(f".{os.getpid()}")
    try:
        tables.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(marshal.dumps((stamp, _plain(data), _plain(memo))))
        part.replace(tables)
    except OSError:
        return False
    return True


def _plain(value: Any) -> Any:
    """Only the types that marshal knows: Lark's tables hold strings that are tokens."""
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value)) if type(value) in (list, tuple) else tuple(map(_plain, value))
    return str(value) if isinstance(value, str) else value
