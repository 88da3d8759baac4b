"""Parses MATCH: path patterns, WITH, UNWIND and RETURN, from grammar rules to syntax trees.

What a pattern means in a space is compiled in `engine/match/pattern`.
"""

from typing import Any

from lark import Token

from servers.graph.language import expressions as e
from servers.graph.language import patterns as p
from servers.graph.language import statements as s
from servers.graph.language.quoting import Misplaced
from servers.graph.language.transformer.expression_rules import inline
from servers.graph.language.transformer.query_rules import QueryRules
from servers.graph.language.transformer.rule_parts import first_of, named_parts, without_tokens


@inline
class PatternRules(QueryRules):
    """One method a grammar rule of its name, called by Lark with what the rule matched."""

    # ------------------------------------------------------------ patterns
    def node_label(self, *parts: Any) -> tuple[str, e.MapLiteral | None]:
        kept = without_tokens(parts)
        return kept[0], (kept[1:] or [None])[0]

    def node(self, *parts: Any) -> p.NodePattern:
        kept = without_tokens(parts)
        alias = next((part for part in kept if isinstance(part, str)), None)
        return p.NodePattern(
            alias, [part for part in kept if isinstance(part, tuple)], first_of(kept, e.MapLiteral)
        )

    def edge_types(self, *parts: Any) -> list[str]:
        return without_tokens(parts)

    def hops_any(self, *_: Token) -> tuple[str, Any]:
        return "hops", (1, None)

    def hops_exact(self, _star: Token, count: Token) -> tuple[str, Any]:
        return "hops", (count.value, count.value)

    def hops_to(self, _star: Token, high: Token) -> tuple[str, Any]:
        return "hops", (1, high.value)

    def hops_from(self, _star: Token, low: Token) -> tuple[str, Any]:
        return "hops", (low.value, None)

    def hops_range(self, _star: Token, low: Token, high: Token) -> tuple[str, Any]:
        return "hops", (low.value, high.value)

    def edge_body(self, *parts: Any) -> p.EdgePattern:
        kept = without_tokens(parts)
        alias = next((part for part in kept if isinstance(part, str)), None)
        types = next((part for part in kept if isinstance(part, list)), [])
        return p.EdgePattern(alias, types, named_parts(kept).get("hops"), first_of(kept, e.MapLiteral))

    def path(self, *parts: Any) -> p.PathPattern:
        nodes = [part for part in parts if isinstance(part, p.NodePattern)]
        return p.PathPattern(nodes, [part for part in parts if isinstance(part, p.EdgePattern)])

    def path_expr(self, *parts: Any) -> e.Expr:
        cut = next(at for at, part in enumerate(parts) if isinstance(part, p.EdgePattern))
        return e.PathExpr(self.path(self.node(*parts[:cut]), *parts[cut:]))

    def shortest_one(self, *parts: Any) -> p.PathPattern:
        return _shortest(parts, "one")

    def shortest_all(self, *parts: Any) -> p.PathPattern:
        return _shortest(parts, "all")

    def bare_pattern(self, path: p.PathPattern) -> p.PathPattern:
        return path

    def named_pattern(self, name: str, path: p.PathPattern) -> p.PathPattern:
        path.alias = name
        return path

    def patterns(self, *paths: Any) -> list[p.PathPattern]:
        return without_tokens(paths)

    # ------------------------------------------------------------ match
    def match_required(self, *parts: Any) -> s.MatchClause:
        kept = without_tokens(parts)
        return s.MatchClause(False, kept[0], named_parts(kept[1:]).get("where"))

    def match_optional(self, *parts: Any) -> s.MatchClause:
        return s.MatchClause(True, without_tokens(parts)[0], None)

    def match_optional_where(self, *parts: Any) -> s.MatchClause:
        # A cluster of the announced version has none either: a query must not work here only.
        where = next(part for part in parts if isinstance(part, Token) and part.type == "WHERE")
        start, end = where.start_pos or 0, where.end_pos or 0
        raise Misplaced("Where clause in optional match is not supported.", start, end, clause=True)

    def unwind(self, *parts: Any) -> s.UnwindClause:
        expr, alias = without_tokens(parts)
        return s.UnwindClause(expr, alias)

    def items_all(self, *parts: Any) -> tuple[str, Any]:
        return "items", (True, (without_tokens(parts) or [[]])[0])

    def items_some(self, columns: list[s.Column]) -> tuple[str, Any]:
        return "items", (False, columns)

    def order_part(self, *parts: Any) -> tuple[str, Any]:
        return "order", without_tokens(parts)[0]

    def skip_part(self, *parts: Any) -> tuple[str, Any]:
        return "skip", without_tokens(parts)[0]

    def limit_part(self, *parts: Any) -> tuple[str, Any]:
        return "limit", without_tokens(parts)[0]

    def projection(self, *parts: Any) -> s.Projection:
        named = named_parts(parts)
        distinct = any(isinstance(part, Token) for part in parts)
        star, columns = named["items"]
        order, skip, limit = named.get("order", []), named.get("skip"), named.get("limit")
        return s.Projection(distinct, star, columns, order, skip, limit)

    def with_clause(self, *parts: Any) -> s.WithClause:
        kept = without_tokens(parts)
        return s.WithClause(kept[0], named_parts(kept[1:]).get("where"))

    def return_clause(self, *parts: Any) -> s.Projection:
        return without_tokens(parts)[0]

    def match(self, *parts: Any) -> s.Statement:
        return s.Match(list(parts[:-1]), parts[-1])

    def return_sentence(self, projection: s.Projection) -> s.Statement:
        return s.Match([], projection)


def _shortest(parts: Any, kind: str) -> p.PathPattern:
    path = first_of(parts, p.PathPattern)
    assert path is not None
    path.shortest = kind
    return path
