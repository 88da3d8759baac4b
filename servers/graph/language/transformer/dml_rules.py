"""Parses INSERT, UPDATE, UPSERT and DELETE: grammar rules to syntax trees; `AstTransformer` is the whole."""

from typing import Any

from lark import Token

from servers.graph.errors import NgqlSyntaxError, SemanticError
from servers.graph.language import dml_statements as w
from servers.graph.language import expressions as e
from servers.graph.language import statements as s
from servers.graph.language.transformer.expression_rules import inline
from servers.graph.language.transformer.pattern_rules import PatternRules
from servers.graph.language.transformer.rule_parts import first_of, named_parts, without_tokens


@inline
class AstTransformer(PatternRules):
    """The transformer that the parser calls: these rules and, inherited, those of the other files.

    One method a grammar rule of its name, called by Lark with what the rule matched.
    """

    def props(self, names: list[str] | None = None) -> list[str]:
        return names or []

    def prop_names(self, *parts: Any) -> list[str]:
        return _appended(parts)

    def values(self, *parts: Any) -> list[e.Expr]:
        return _appended(parts)

    def tag_item(self, name: str, props: list[str] | None = None) -> tuple[str, list[str] | None]:
        return name, props

    def tag_items(self, *items: Any) -> tuple[str, list[Any]]:
        return "tags", without_tokens(items)

    def if_not_exists(self, *_: Token) -> tuple[str, bool]:
        return "if_not_exists", True

    def if_exists(self, *_: Token) -> tuple[str, bool]:
        return "if_exists", True

    def ignore_index(self, *_: Token) -> tuple[str, bool]:
        return "ignore_index", True

    def vertex_row(self, *parts: Any) -> tuple[e.Expr, list[e.Expr]]:
        kept = without_tokens(parts)
        return kept[0], (kept[1:] or [[]])[0]

    def edge_row(self, *parts: Any) -> tuple[s.EdgeKey, list[e.Expr]]:
        kept = without_tokens(parts)
        return kept[0], (kept[1:] or [[]])[0]

    def insert_vertex(self, *parts: Any) -> s.Statement:
        named = named_parts(parts)
        rows = [part for part in parts if isinstance(part, tuple) and isinstance(part[0], e.Expr)]
        return w.InsertVertices(named.get("if_not_exists", False), named.get("tags", []), rows)

    def insert_edge(self, *parts: Any) -> s.Statement:
        kept = without_tokens(parts)
        name = next(part for part in kept if isinstance(part, str))
        props = next((part for part in kept if isinstance(part, list)), None)
        rows = [part for part in kept if isinstance(part, tuple) and isinstance(part[0], s.EdgeKey)]
        return w.InsertEdges(named_parts(parts).get("if_not_exists", False), name, props, rows)

    def assign(self, name: str, expr: e.Expr) -> w.Assign:
        return w.Assign(name, expr)

    def assign_of(self, owner: str, *parts: Any) -> w.Assign:
        name, expr = without_tokens(parts)
        return w.Assign(name, expr, owner)

    def assigns(self, *assigns: Any) -> list[w.Assign]:
        return without_tokens(assigns)

    def update_vertex(self, word: Token, *parts: Any) -> s.Statement:
        tag, vids, assigns = without_tokens(parts)[:3]
        when = named_parts(parts).get("when")
        return w.UpdateVertex(word.type == "UPSERT", tag, vids, assigns, when, first_of(parts, s.Yield))

    def update_vertex_old(self, word: Token, *parts: Any) -> s.Statement:
        vids, assigns = without_tokens(parts)[:2]
        when = named_parts(parts).get("when")
        owner = assigns[0].owner
        if owner is None:
            raise NgqlSyntaxError(f"syntax error near `{assigns[0].name}'")
        owners = {assign.owner or "" for assign in assigns}
        if len(owners) > 1:
            raise SemanticError(f"Multi schema name: {','.join(sorted(owners))}")
        return w.UpdateVertex(word.type == "UPSERT", owner, vids, assigns, when, first_of(parts, s.Yield))

    def update_edge(self, word: Token, *parts: Any) -> s.Statement:
        edge, keys, assigns = without_tokens(parts)[:3]
        when = named_parts(parts).get("when")
        return w.UpdateEdge(word.type == "UPSERT", edge, keys, assigns, when, first_of(parts, s.Yield))

    def update_edge_old(self, word: Token, *parts: Any) -> s.Statement:
        key, edge, assigns = without_tokens(parts)[:3]
        when = named_parts(parts).get("when")
        return w.UpdateEdge(word.type == "UPSERT", edge, [key], assigns, when, first_of(parts, s.Yield))

    def delete_vertex(self, *parts: Any) -> s.Statement:
        return w.DeleteVertices(without_tokens(parts)[0], False)

    def delete_vertex_with_edge(self, *parts: Any) -> s.Statement:
        return w.DeleteVertices(without_tokens(parts)[0], True)

    def delete_edge(self, *parts: Any) -> s.Statement:
        edge, keys = without_tokens(parts)
        return w.DeleteEdges(edge, keys)

    def delete_all_tags(self, *parts: Any) -> s.Statement:
        return w.DeleteTags(None, without_tokens(parts)[0])

    def delete_some_tags(self, *parts: Any) -> s.Statement:
        tags, vids = without_tokens(parts)
        return w.DeleteTags(tags, vids)


def _appended(parts: Any) -> list[Any]:
    """A list that grows by one item at a time, as the left-recursive rules read it."""
    *before, item = parts
    return [*before[0], item] if before else [item]
