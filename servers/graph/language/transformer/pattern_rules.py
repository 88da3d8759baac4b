"""Turns the grammar's MATCH and writing rules into trees; the whole transformer is `Builder`."""

from typing import Any

from lark import Token

from servers.graph.errors import NgqlSyntaxError, SemanticError
from servers.graph.language import expressions as e
from servers.graph.language import statements as s
from servers.graph.language import writing as w
from servers.graph.language.transformer.expression_rules import inline
from servers.graph.language.transformer.query_rules import Statements, _named
from servers.graph.language.transformer.schema_rules import keep, of


@inline
class Builder(Statements):
    """The transformer that the parser calls."""

    # ------------------------------------------------------------ patterns
    def node_label(self, *parts: Any) -> tuple[str, e.MapLiteral | None]:
        kept = keep(parts)
        return kept[0], (kept[1:] or [None])[0]

    def node(self, *parts: Any) -> s.NodePattern:
        kept = keep(parts)
        alias = next((part for part in kept if isinstance(part, str)), None)
        return s.NodePattern(
            alias, [part for part in kept if isinstance(part, tuple)], of(kept, e.MapLiteral)
        )

    def edge_types(self, *parts: Any) -> list[str]:
        return keep(parts)

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

    def edge_body(self, *parts: Any) -> s.EdgePattern:
        kept = keep(parts)
        alias = next((part for part in kept if isinstance(part, str)), None)
        types = next((part for part in kept if isinstance(part, list)), [])
        return s.EdgePattern(alias, types, _named(kept).get("hops"), of(kept, e.MapLiteral))

    def path(self, *parts: Any) -> s.PathPattern:
        nodes = [part for part in parts if isinstance(part, s.NodePattern)]
        return s.PathPattern(nodes, [part for part in parts if isinstance(part, s.EdgePattern)])

    def path_expr(self, *parts: Any) -> e.Expr:
        cut = next(at for at, part in enumerate(parts) if isinstance(part, s.EdgePattern))
        return e.PathExpr(self.path(self.node(*parts[:cut]), *parts[cut:]))

    def shortest_one(self, *parts: Any) -> s.PathPattern:
        return _shortest(parts, "one")

    def shortest_all(self, *parts: Any) -> s.PathPattern:
        return _shortest(parts, "all")

    def bare_pattern(self, path: s.PathPattern) -> s.PathPattern:
        return path

    def named_pattern(self, name: str, path: s.PathPattern) -> s.PathPattern:
        path.alias = name
        return path

    def patterns(self, *paths: Any) -> list[s.PathPattern]:
        return keep(paths)

    # ------------------------------------------------------------ match
    def match_required(self, *parts: Any) -> s.MatchClause:
        kept = keep(parts)
        return s.MatchClause(False, kept[0], _named(kept[1:]).get("where"))

    def match_optional(self, *parts: Any) -> s.MatchClause:
        kept = keep(parts)
        return s.MatchClause(True, kept[0], _named(kept[1:]).get("where"))

    def unwind(self, *parts: Any) -> s.UnwindClause:
        expr, alias = keep(parts)
        return s.UnwindClause(expr, alias)

    def items_all(self, *parts: Any) -> tuple[str, Any]:
        return "items", (True, (keep(parts) or [[]])[0])

    def items_some(self, columns: list[s.Column]) -> tuple[str, Any]:
        return "items", (False, columns)

    def order_part(self, *parts: Any) -> tuple[str, Any]:
        return "order", keep(parts)[0]

    def skip_part(self, *parts: Any) -> tuple[str, Any]:
        return "skip", keep(parts)[0]

    def limit_part(self, *parts: Any) -> tuple[str, Any]:
        return "limit", keep(parts)[0]

    def projection(self, *parts: Any) -> s.Projection:
        named = _named(parts)
        distinct = any(isinstance(part, Token) for part in parts)
        star, columns = named["items"]
        order, skip, limit = named.get("order", []), named.get("skip"), named.get("limit")
        return s.Projection(distinct, star, columns, order, skip, limit)

    def with_clause(self, *parts: Any) -> s.WithClause:
        kept = keep(parts)
        return s.WithClause(kept[0], _named(kept[1:]).get("where"))

    def return_clause(self, *parts: Any) -> s.Projection:
        return keep(parts)[0]

    def match(self, *parts: Any) -> s.Statement:
        return s.Match(list(parts[:-1]), parts[-1])

    def return_sentence(self, projection: s.Projection) -> s.Statement:
        return s.Match([], projection)

    # ------------------------------------------------------------ writing
    def props(self, *names: Any) -> list[str]:
        return keep(names)

    def tag_item(self, name: str, props: list[str] | None = None) -> tuple[str, list[str] | None]:
        return name, props

    def tag_items(self, *items: Any) -> tuple[str, list[Any]]:
        return "tags", keep(items)

    def if_not_exists(self, *_: Token) -> tuple[str, bool]:
        return "if_not_exists", True

    def if_exists(self, *_: Token) -> tuple[str, bool]:
        return "if_exists", True

    def ignore_index(self, *_: Token) -> tuple[str, bool]:
        return "ignore_index", True

    def vertex_row(self, *parts: Any) -> tuple[e.Expr, list[e.Expr]]:
        kept = keep(parts)
        return kept[0], (kept[1:] or [[]])[0]

    def edge_row(self, *parts: Any) -> tuple[s.EdgeKey, list[e.Expr]]:
        kept = keep(parts)
        return kept[0], (kept[1:] or [[]])[0]

    def insert_vertex(self, *parts: Any) -> s.Statement:
        named = _named(parts)
        rows = [part for part in parts if isinstance(part, tuple) and isinstance(part[0], e.Expr)]
        return w.InsertVertices(named.get("if_not_exists", False), named.get("tags", []), rows)

    def insert_edge(self, *parts: Any) -> s.Statement:
        kept = keep(parts)
        name = next(part for part in kept if isinstance(part, str))
        props = next((part for part in kept if isinstance(part, list)), None)
        rows = [part for part in kept if isinstance(part, tuple) and isinstance(part[0], s.EdgeKey)]
        return w.InsertEdges(_named(parts).get("if_not_exists", False), name, props, rows)

    def assign(self, name: str, expr: e.Expr) -> w.Assign:
        return w.Assign(name, expr)

    def assign_of(self, owner: str, *parts: Any) -> w.Assign:
        name, expr = keep(parts)
        return w.Assign(name, expr, owner)

    def assigns(self, *assigns: Any) -> list[w.Assign]:
        return keep(assigns)

    def update_vertex(self, word: Token, *parts: Any) -> s.Statement:
        tag, vid, assigns = keep(parts)[:3]
        when = _named(parts).get("when")
        return w.UpdateVertex(word.type == "UPSERT", tag, vid, assigns, when, of(parts, s.Yield))

    def update_vertex_old(self, word: Token, *parts: Any) -> s.Statement:
        vid, assigns = keep(parts)[:2]
        when = _named(parts).get("when")
        owner = assigns[0].owner
        if owner is None:
            raise NgqlSyntaxError(f"syntax error near `{assigns[0].name}'")
        owners = {assign.owner or "" for assign in assigns}
        if len(owners) > 1:
            raise SemanticError(f"Multi schema name: {','.join(sorted(owners))}")
        return w.UpdateVertex(word.type == "UPSERT", owner, vid, assigns, when, of(parts, s.Yield))

    def update_edge(self, word: Token, *parts: Any) -> s.Statement:
        edge, key, assigns = keep(parts)[:3]
        when = _named(parts).get("when")
        return w.UpdateEdge(word.type == "UPSERT", edge, key, assigns, when, of(parts, s.Yield))

    def update_edge_old(self, word: Token, *parts: Any) -> s.Statement:
        key, edge, assigns = keep(parts)[:3]
        when = _named(parts).get("when")
        return w.UpdateEdge(word.type == "UPSERT", edge, key, assigns, when, of(parts, s.Yield))

    def delete_vertex(self, *parts: Any) -> s.Statement:
        return w.DeleteVertices(keep(parts)[0], False)

    def delete_vertex_with_edge(self, *parts: Any) -> s.Statement:
        return w.DeleteVertices(keep(parts)[0], True)

    def delete_edge(self, *parts: Any) -> s.Statement:
        edge, keys = keep(parts)
        return w.DeleteEdges(edge, keys)

    def delete_all_tags(self, *parts: Any) -> s.Statement:
        return w.DeleteTags(None, keep(parts)[0])

    def delete_some_tags(self, *parts: Any) -> s.Statement:
        tags, vids = keep(parts)
        return w.DeleteTags(tags, vids)


def _shortest(parts: Any, kind: str) -> s.PathPattern:
    path = of(parts, s.PathPattern)
    assert path is not None
    path.shortest = kind
    return path
