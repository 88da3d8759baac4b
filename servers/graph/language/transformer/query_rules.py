"""Parses GO, FETCH, LOOKUP, FIND PATH, GET SUBGRAPH, YIELD and pipes: grammar rules to syntax trees."""

from typing import Any

from lark import Token

from servers.graph.errors import NgqlSyntaxError
from servers.graph.language import expressions as e
from servers.graph.language import patterns as p
from servers.graph.language import statements as s
from servers.graph.language.transformer.expression_rules import inline
from servers.graph.language.transformer.rule_parts import first_of, named_parts, without_tokens
from servers.graph.language.transformer.schema_rules import SchemaRules


def _set_operation(op: str) -> Any:
    def make(_self: Any, left: s.Statement, *rest: Any) -> s.Statement:
        return s.SetOperation(op, left, rest[-1])

    return make


def _edge(direction: str) -> Any:
    def make(_self: Any, *parts: Any) -> p.EdgePattern:
        edge = first_of(parts, p.EdgePattern)
        assert edge is not None
        edge.direction = direction
        return edge

    return make


@inline
class QueryRules(SchemaRules):
    """One method a grammar rule of its name, called by Lark with what the rule matched."""

    union_distinct, union_all = _set_operation("UNION"), _set_operation("UNION ALL")
    intersect, minus = _set_operation("INTERSECT"), _set_operation("MINUS")
    edge_both, edge_out, edge_in = _edge("both"), _edge("out"), _edge("in")

    def start(self, *parts: Any) -> list[s.Statement]:
        return without_tokens(parts)

    def explain_kind(self, word: Token) -> bool:
        return word.type == "PROFILE"

    def explain_format(self, *parts: Token) -> str:
        return f"format:{parts[-1].value}"

    def explain(self, profile: bool, *parts: Any) -> s.Statement:
        formats = [part[7:] for part in parts if isinstance(part, str) and part.startswith("format:")]
        sentences = [part for part in parts if isinstance(part, s.Statement)]
        return s.Explain(profile, sentences, *formats)

    def assignment(self, name: Token, *parts: Any) -> s.Statement:
        return s.Assignment(name.value, parts[-1])

    def pipe(self, left: s.Statement, right: s.Statement) -> s.Statement:
        return s.Pipe(left, right)

    def inner(self, *parts: Any) -> s.Statement:
        return without_tokens(parts)[0]

    # ------------------------------------------------------------ clauses
    def column(self, expr: e.Expr, *alias: Any) -> s.Column:
        names = without_tokens(alias)
        if not names and isinstance(expr, e.Ref) and expr.what.isalpha():
            word = expr.what.lower()
            raise NgqlSyntaxError(f"please add alias when using `{word}'. near `{word}'")
        return s.Column(expr, *names)

    def columns(self, *columns: Any) -> list[s.Column]:
        return without_tokens(columns)

    def yield_all(self, _word: Token, columns: list[s.Column]) -> s.Yield:
        return s.Yield(columns)

    def yield_distinct(self, _yield: Token, _distinct: Token, columns: list[s.Column]) -> s.Yield:
        return s.Yield(columns, True)

    def where(self, _word: Token, expr: e.Expr) -> tuple[str, e.Expr]:
        return "where", expr

    def when(self, _word: Token, expr: e.Expr) -> tuple[str, e.Expr]:
        return "when", expr

    def from_clause(self, _word: Token, vids: list[e.Expr]) -> tuple[str, list[e.Expr]]:
        return "from", vids

    def to_clause(self, _word: Token, vids: list[e.Expr]) -> tuple[str, list[e.Expr]]:
        return "to", vids

    def upto(self, _word: Token, steps: Token, *_: Token) -> tuple[str, Any]:
        return "upto", steps.value

    def with_prop(self, *_: Token) -> tuple[str, bool]:
        return "prop", True

    def steps_one(self, count: Token, *_: Token) -> s.Steps:
        return s.Steps(count.value, count.value)

    def steps_range(self, low: Token, _to: Token, high: Token, *_: Token) -> s.Steps:
        return s.Steps(low.value, high.value)

    def steps_upto(self, _upto: Token, high: Token, *_: Token) -> s.Steps:
        return s.Steps(1, high.value, True)

    def over_edge(self, name: str, *alias: Any) -> tuple[str, str | None]:
        return name, (without_tokens(alias) or [None])[0]

    def direction(self, word: Token) -> str:
        return str(word).upper()

    def over_all(self, *parts: Any) -> s.Over:
        return s.Over([], *without_tokens(parts))

    def over_some(self, *parts: Any) -> s.Over:
        names = [part for part in parts if isinstance(part, tuple)]
        return s.Over(names, *[part for part in without_tokens(parts) if isinstance(part, str)])

    def sample(self, _word: Token, expr: e.Expr) -> tuple[str, tuple[str, e.Expr]]:
        return "sample", ("SAMPLE", expr)

    def step_limit(self, _word: Token, expr: e.Expr) -> tuple[str, tuple[str, e.Expr]]:
        return "sample", ("LIMIT", expr)

    # ------------------------------------------------------------ traversals
    def go(self, *parts: Any) -> s.Statement:
        named = named_parts(parts)
        over = first_of(parts, s.Over)
        assert over is not None
        steps, output = first_of(parts, s.Steps), first_of(parts, s.Yield)
        return s.Go(steps, named["from"], over, named.get("where"), output, named.get("sample"))

    def fetch_any(self, *parts: Any) -> s.Statement:
        return s.FetchVertices(None, without_tokens(parts)[0], first_of(parts, s.Yield))

    def fetch_vertices(self, *parts: Any) -> s.Statement:
        tags, vids = without_tokens(parts)[:2]
        return s.FetchVertices(tags, vids, first_of(parts, s.Yield))

    def fetch_edges(self, *parts: Any) -> s.Statement:
        names, keys = without_tokens(parts)[:2]
        return s.FetchEdges(names, keys, first_of(parts, s.Yield))

    def edge_key(self, src: e.Expr, dst: e.Expr, *rank: Any) -> s.EdgeKey:
        return s.EdgeKey(src, dst, (without_tokens(rank) or [None])[0])

    def edge_keys(self, *keys: Any) -> list[s.EdgeKey]:
        return without_tokens(keys)

    def lookup(self, *parts: Any) -> s.Statement:
        return s.Lookup(without_tokens(parts)[0], named_parts(parts).get("where"), first_of(parts, s.Yield))

    def path_kind(self, *words: Token) -> tuple[str, str]:
        return "kind", " ".join(words).upper()

    def find_path(self, *parts: Any) -> s.Statement:
        named = named_parts(parts)
        over = first_of(parts, s.Over)
        assert over is not None
        return s.FindPath(
            named["kind"],
            named.get("prop", False),
            named["from"],
            named["to"],
            over,
            named.get("where"),
            named.get("upto", 5),
            first_of(parts, s.Yield),
        )

    def sub_edges(self, word: Token, names: list[str]) -> tuple[str, tuple[str, list[str]]]:
        return "edges", (word.type, names)

    def subgraph(self, *parts: Any) -> s.Statement:
        named = named_parts(parts)
        edges = [part[1] for part in without_tokens(parts) if isinstance(part, tuple) and part[0] == "edges"]
        steps, output = first_of(parts, s.Steps), first_of(parts, s.Yield)
        return s.Subgraph(named.get("prop", False), steps, named["from"], edges, named.get("where"), output)

    def join(self, _from: Token, left: Token, *parts: Any) -> s.Join:
        words = [part for part in parts if not isinstance(part, Token | e.Expr)]
        right = next(part.value for part in parts if isinstance(part, Token) and part.type == "VARIABLE")
        if words[-1].upper() != "JOIN":
            raise NgqlSyntaxError(f"syntax error near `{words[-1]}'")
        keys = [part for part in parts if isinstance(part, e.Expr)]
        return s.Join(left.value, right, " ".join(words[:-1]).upper(), keys[0], keys[1])

    def yield_sentence(self, output: s.Yield, *parts: Any) -> s.Statement:
        return s.YieldSentence(output, named_parts(parts).get("where"), first_of(parts, s.Join))

    def unwind_sentence(self, clause: s.UnwindClause) -> s.Statement:
        return s.UnwindSentence(clause.expr, clause.alias)

    def group_by(self, *parts: Any) -> s.Statement:
        keys, output = without_tokens(parts)
        return s.GroupBy(keys, output)

    def ascending(self, expr: e.Expr, *_: Token) -> tuple[e.Expr, bool]:
        return expr, False

    def descending(self, expr: e.Expr, *_: Token) -> tuple[e.Expr, bool]:
        return expr, True

    def factors(self, *factors: Any) -> list[tuple[e.Expr, bool]]:
        return without_tokens(factors)

    def order_by(self, *parts: Any) -> s.Statement:
        return s.OrderBy(without_tokens(parts)[0])

    def limit_count(self, _word: Token, count: Token) -> s.Statement:
        return s.Limit(0, count.value)

    def limit_from(self, _word: Token, skip: Token, count: Token) -> s.Statement:
        return s.Limit(skip.value, count.value)

    def limit_offset(self, _limit: Token, count: Token, _offset: Token, skip: Token) -> s.Statement:
        return s.Limit(skip.value, count.value)

    def offset_limit(self, _offset: Token, skip: Token, _limit: Token, count: Token) -> s.Statement:
        return s.Limit(skip.value, count.value)
