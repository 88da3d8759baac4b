"""Parses schema statements, SHOW and administration: their grammar rules to syntax trees."""

from typing import Any

from lark import Token

from servers.graph.language import ddl_statements as d
from servers.graph.language import expressions as e
from servers.graph.language.transformer.access_rules import AccessRules
from servers.graph.language.transformer.expression_rules import inline
from servers.graph.language.transformer.rule_parts import (
    first_of,
    has_flag,
    kind_and_name,
    names_in,
    without_tokens,
)


def _option(name: str) -> Any:
    def make(_self: Any, *parts: Any) -> tuple[str, Any]:
        last = parts[-1]
        return name, last.value if isinstance(last, Token) else last

    return make


def _show(what: str) -> Any:
    def make(_self: Any, *parts: Any) -> d.Show:
        return d.Show(what, (names_in(parts) or [None])[0])

    return make


def _show_kind(what: str) -> Any:
    def make(_self: Any, *parts: Any) -> d.Show:
        kind, *rest = [part for part in without_tokens(parts) if isinstance(part, str)]
        return d.Show(what.format(kind), (rest or [None])[0])

    return make


@inline
class SchemaRules(AccessRules):
    """One method a grammar rule of its name, called by Lark with what the rule matched."""

    partition_num, replica_factor = _option("partition_num"), _option("replica_factor")
    charset, collate, vid_type = _option("charset"), _option("collate"), _option("vid_type")
    atomic_edge, space_comment = _option("atomic_edge"), _option("comment")
    ttl_duration, ttl_col, schema_comment = _option("ttl_duration"), _option("ttl_col"), _option("comment")
    comment, nullable_default = _option("comment"), _option("default")
    show_spaces, show_tags, show_edges = _show("SPACES"), _show("TAGS"), _show("EDGES")
    show_create_space, show_parts = _show("CREATE SPACE"), _show("PARTS")
    show_stats, show_charset, show_collation = _show("STATS"), _show("CHARSET"), _show("COLLATION")
    show_sessions, show_queries, show_users = _show("SESSIONS"), _show("QUERIES"), _show("USERS")
    show_jobs, show_snapshots = _show("JOBS"), _show("SNAPSHOTS")
    show_indexes, show_index_status = _show_kind("{} INDEXES"), _show_kind("{} INDEX STATUS")
    show_create_schema = _show_kind("CREATE {}")
    show_create_index = _show_kind("CREATE {} INDEX")

    def show_hosts(self, *parts: Token) -> d.Show:
        return d.Show(" ".join(part.type for part in parts[1:]))

    def show_session(self, *parts: Token) -> d.Show:
        return d.Show("SESSION", parts[-1].value)

    def show_job(self, *parts: Token) -> d.Show:
        return d.Show("JOB", parts[-1].value)

    def schema_kind(self, word: Token) -> str:
        return word.type

    def use(self, *parts: Any) -> d.Use:
        return d.Use(names_in(parts)[0])

    def space_options(self, *options: Any) -> d.Options:
        return dict(without_tokens(options))

    schema_options = space_options

    def create_space(self, *parts: Any) -> d.CreateSpace:
        options = dict(first_of(parts, dict) or {})
        options.update(
            part for part in without_tokens(parts) if isinstance(part, tuple) and part[0] == "comment"
        )
        return d.CreateSpace(names_in(parts)[0], has_flag(parts, "if_not_exists"), options)

    def create_space_as(self, *parts: Any) -> d.CreateSpaceAs:
        name, source = names_in(parts)
        return d.CreateSpaceAs(name, source, has_flag(parts, "if_not_exists"))

    def drop_space(self, *parts: Any) -> d.DropSpace:
        return d.DropSpace(names_in(parts)[0], has_flag(parts, "if_exists"))

    def clear_space(self, *parts: Any) -> d.ClearSpace:
        return d.ClearSpace(names_in(parts)[0], has_flag(parts, "if_exists"))

    def describe_space(self, *parts: Any) -> d.Describe:
        return d.Describe("SPACE", names_in(parts)[0])

    def nullable(self, *_: Token) -> tuple[str, Any]:
        return "nullable", True

    def not_null(self, *_: Token) -> tuple[str, Any]:
        return "nullable", False

    def default(self, _word: Token, expr: e.Expr) -> tuple[str, Any]:
        return "default", expr

    def prop_comment(self, _word: Token, text: Token) -> tuple[str, Any]:
        return "comment", text.value

    def prop(self, name: str, kind: tuple[str, Any], *options: tuple[str, Any]) -> d.Prop:
        return d.Prop(name, kind[0], kind[1], **dict(options))

    def prop_list(self, *props: Any) -> list[d.Prop]:
        return without_tokens(props)

    def create_schema(self, _create: Token, kind: str, *parts: Any) -> d.CreateSchema:
        props, options = first_of(parts, list) or [], first_of(parts, dict) or {}
        return d.CreateSchema(kind, names_in(parts)[0], has_flag(parts, "if_not_exists"), props, options)

    def alter_add(self, *parts: Any) -> tuple[str, Any]:
        return "add", without_tokens(parts)[0]

    def alter_change(self, *parts: Any) -> tuple[str, Any]:
        return "change", without_tokens(parts)[0]

    def alter_drop(self, *parts: Any) -> tuple[str, Any]:
        return "drop", without_tokens(parts)[0]

    def alters(self, *alters: Any) -> list[tuple[str, Any]]:
        return without_tokens(alters)

    def alter_schema(self, _alter: Token, kind: str, name: str, *parts: Any) -> d.AlterSchema:
        return d.AlterSchema(kind, name, first_of(parts, list) or [], first_of(parts, dict) or {})

    alter_options = alter_schema

    def drop_schema(self, _drop: Token, kind: str, *parts: Any) -> d.DropSchema:
        return d.DropSchema(kind, names_in(parts)[0], has_flag(parts, "if_exists"))

    def describe_schema(self, *parts: Any) -> d.Describe:
        kind, name = kind_and_name(parts)
        return d.Describe(kind, name)

    def index_field(self, name: str, *length: Token) -> tuple[str, Any]:
        lengths = [token.value for token in length if token.type == "INTEGER"]
        return name, (lengths or [None])[0]

    def index_fields(self, *fields: Any) -> list[tuple[str, Any]]:
        return without_tokens(fields)

    def create_index(self, _create: Token, kind: str, *parts: Any) -> d.CreateIndex:
        name, owner = names_in(parts)[:2]
        comments = [
            part[1] for part in without_tokens(parts) if isinstance(part, tuple) and part[0] == "comment"
        ]
        fields = first_of(parts, list) or []
        return d.CreateIndex(kind, name, owner, fields, has_flag(parts, "if_not_exists"), *comments)

    def drop_index(self, _drop: Token, kind: str, *parts: Any) -> d.DropIndex:
        return d.DropIndex(kind, names_in(parts)[0], has_flag(parts, "if_exists"))

    def describe_index(self, *parts: Any) -> d.Describe:
        kind, name = kind_and_name(parts)
        return d.Describe(f"{kind} INDEX", name)

    def rebuild_index(self, _rebuild: Token, kind: str, *parts: Any) -> d.RebuildIndex:
        return d.RebuildIndex(kind, first_of(parts, list) or [])

    def submit_job(self, *parts: Any) -> d.SubmitJob:
        return d.SubmitJob(names_in(parts))
