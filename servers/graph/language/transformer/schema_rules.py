"""Turns the grammar's schema and administration rules into trees."""

from typing import Any, TypeVar

from lark import Token

from servers.graph.language import definitions as d
from servers.graph.language import expressions as e
from servers.graph.language.transformer.expression_rules import Expressions, inline

T = TypeVar("T")


def keep(parts: Any) -> list[Any]:
    """What a rule matched, without its keywords and punctuation."""
    return [part for part in parts if not isinstance(part, Token)]


def of(parts: Any, kind: type[T]) -> T | None:
    """The first part of a kind."""
    return next((part for part in parts if isinstance(part, kind)), None)


def flag(parts: Any, name: str) -> bool:
    return (name, True) in [part for part in parts if isinstance(part, tuple)]


def strings(parts: Any) -> list[str]:
    return [part for part in parts if isinstance(part, str) and not isinstance(part, Token)]


def _option(name: str) -> Any:
    def make(_self: Any, *parts: Any) -> tuple[str, Any]:
        last = parts[-1]
        return name, last.value if isinstance(last, Token) else last

    return make


def _show(what: str) -> Any:
    def make(_self: Any, *parts: Any) -> d.Show:
        return d.Show(what, (strings(parts) or [None])[0])

    return make


def _show_kind(what: str) -> Any:
    def make(_self: Any, *parts: Any) -> d.Show:
        kind, *rest = [part for part in keep(parts) if isinstance(part, str)]
        return d.Show(what.format(kind), (rest or [None])[0])

    return make


@inline
class Definitions(Expressions):
    """One method a rule."""

    partition_num, replica_factor = _option("partition_num"), _option("replica_factor")
    charset, collate, vid_type = _option("charset"), _option("collate"), _option("vid_type")
    atomic_edge, space_comment = _option("atomic_edge"), _option("comment")
    ttl_duration, ttl_col, schema_comment = _option("ttl_duration"), _option("ttl_col"), _option("comment")
    comment, nullable_default = _option("comment"), _option("default")
    show_spaces, show_tags, show_edges = _show("SPACES"), _show("TAGS"), _show("EDGES")
    show_create_space, show_hosts, show_parts = _show("CREATE SPACE"), _show("HOSTS"), _show("PARTS")
    show_stats, show_charset, show_collation = _show("STATS"), _show("CHARSET"), _show("COLLATION")
    show_sessions, show_queries, show_users = _show("SESSIONS"), _show("QUERIES"), _show("USERS")
    show_jobs, show_snapshots = _show("JOBS"), _show("SNAPSHOTS")
    show_indexes, show_index_status = _show_kind("{} INDEXES"), _show_kind("{} INDEX STATUS")
    show_create_schema = _show_kind("CREATE {}")
    show_create_index = _show_kind("CREATE {} INDEX")

    def show_session(self, *parts: Token) -> d.Show:
        return d.Show("SESSION", parts[-1].value)

    def show_job(self, *parts: Token) -> d.Show:
        return d.Show("JOB", parts[-1].value)

    def schema_kind(self, word: Token) -> str:
        return word.type

    def use(self, *parts: Any) -> d.Use:
        return d.Use(strings(parts)[0])

    def space_options(self, *options: Any) -> dict[str, Any]:
        return dict(keep(options))

    schema_options = space_options

    def create_space(self, *parts: Any) -> d.CreateSpace:
        options = dict(of(parts, dict) or {})
        options.update(part for part in keep(parts) if isinstance(part, tuple) and part[0] == "comment")
        return d.CreateSpace(strings(parts)[0], flag(parts, "if_not_exists"), options)

    def create_space_as(self, *parts: Any) -> d.CreateSpaceAs:
        name, source = strings(parts)
        return d.CreateSpaceAs(name, source, flag(parts, "if_not_exists"))

    def drop_space(self, *parts: Any) -> d.DropSpace:
        return d.DropSpace(strings(parts)[0], flag(parts, "if_exists"))

    def clear_space(self, *parts: Any) -> d.ClearSpace:
        return d.ClearSpace(strings(parts)[0], flag(parts, "if_exists"))

    def describe_space(self, *parts: Any) -> d.Describe:
        return d.Describe("SPACE", strings(parts)[0])

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
        return keep(props)

    def create_schema(self, _create: Token, kind: str, *parts: Any) -> d.CreateSchema:
        props, options = of(parts, list) or [], of(parts, dict) or {}
        return d.CreateSchema(kind, strings(parts)[0], flag(parts, "if_not_exists"), props, options)

    def alter_add(self, *parts: Any) -> tuple[str, Any]:
        return "add", keep(parts)[0]

    def alter_change(self, *parts: Any) -> tuple[str, Any]:
        return "change", keep(parts)[0]

    def alter_drop(self, *parts: Any) -> tuple[str, Any]:
        return "drop", keep(parts)[0]

    def alters(self, *alters: Any) -> list[tuple[str, Any]]:
        return keep(alters)

    def alter_schema(self, _alter: Token, kind: str, name: str, *parts: Any) -> d.AlterSchema:
        return d.AlterSchema(kind, name, of(parts, list) or [], of(parts, dict) or {})

    alter_options = alter_schema

    def drop_schema(self, _drop: Token, kind: str, *parts: Any) -> d.DropSchema:
        return d.DropSchema(kind, strings(parts)[0], flag(parts, "if_exists"))

    def describe_schema(self, *parts: Any) -> d.Describe:
        kind, name = strings_and_kind(parts)
        return d.Describe(kind, name)

    def index_field(self, name: str, *length: Token) -> tuple[str, Any]:
        lengths = [token.value for token in length if token.type == "INTEGER"]
        return name, (lengths or [None])[0]

    def index_fields(self, *fields: Any) -> list[tuple[str, Any]]:
        return keep(fields)

    def create_index(self, _create: Token, kind: str, *parts: Any) -> d.CreateIndex:
        name, owner = strings(parts)[:2]
        comments = [part[1] for part in keep(parts) if isinstance(part, tuple) and part[0] == "comment"]
        fields = of(parts, list) or []
        return d.CreateIndex(kind, name, owner, fields, flag(parts, "if_not_exists"), *comments)

    def drop_index(self, _drop: Token, kind: str, *parts: Any) -> d.DropIndex:
        return d.DropIndex(kind, strings(parts)[0], flag(parts, "if_exists"))

    def describe_index(self, *parts: Any) -> d.Describe:
        kind, name = strings_and_kind(parts)
        return d.Describe(f"{kind} INDEX", name)

    def rebuild_index(self, _rebuild: Token, kind: str, *parts: Any) -> d.RebuildIndex:
        return d.RebuildIndex(kind, of(parts, list) or [])

    def submit_job(self, *parts: Any) -> d.SubmitJob:
        return d.SubmitJob(strings(parts))


def strings_and_kind(parts: Any) -> tuple[str, str]:
    kind, name = [part for part in keep(parts) if isinstance(part, str)]
    return kind, name
