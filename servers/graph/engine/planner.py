"""The planner: from a statement to its plan, one planning function a kind of statement."""

from collections.abc import Callable
from typing import Any

from servers.graph.engine.match.clauses import plan_match
from servers.graph.engine.paths import find_path, subgraph
from servers.graph.engine.plan import Context, Plan
from servers.graph.engine.schema import access, indexes, schemas, show, spaces
from servers.graph.engine.statements import delete, explain, fetch, go, insert, lookup, relational, update
from servers.graph.errors import Unsupported
from servers.graph.language import access_statements as a
from servers.graph.language import ddl_statements as d
from servers.graph.language import dml_statements as w
from servers.graph.language import statements as s

PLANNERS: dict[type[s.Statement], Callable[[Any, Context], Plan]] = {
    s.Explain: explain.plan_explain,
    s.YieldSentence: relational.plan_yield,
    s.UnwindSentence: relational.plan_unwind,
    s.GroupBy: relational.plan_group,
    s.OrderBy: relational.plan_order,
    s.Limit: relational.plan_limit,
    s.Pipe: relational.plan_pipe,
    s.Assignment: relational.plan_assignment,
    s.SetOperation: relational.plan_set,
    s.Go: go.plan_go,
    s.FetchVertices: fetch.plan_fetch_vertices,
    s.FetchEdges: fetch.plan_fetch_edges,
    s.Lookup: lookup.plan_lookup,
    s.Match: plan_match,
    s.FindPath: find_path.plan_path,
    s.Subgraph: subgraph.plan_subgraph,
    w.UpdateVertex: update.plan_update_vertex,
    w.UpdateEdge: update.plan_update_edge,
    w.InsertVertices: insert.plan_insert_vertices,
    w.InsertEdges: insert.plan_insert_edges,
    w.DeleteVertices: delete.plan_delete_vertices,
    w.DeleteEdges: delete.plan_delete_edges,
    w.DeleteTags: delete.plan_delete_tags,
    d.Use: spaces.plan_use,
    d.CreateSpace: spaces.plan_create_space,
    d.CreateSpaceAs: spaces.plan_create_space_as,
    d.DropSpace: spaces.plan_drop_space,
    d.ClearSpace: spaces.plan_clear_space,
    d.CreateSchema: schemas.plan_create_schema,
    d.AlterSchema: schemas.plan_alter_schema,
    d.DropSchema: schemas.plan_drop_schema,
    d.CreateIndex: indexes.plan_create_index,
    d.DropIndex: indexes.plan_drop_index,
    d.RebuildIndex: indexes.plan_rebuild,
    d.SubmitJob: indexes.plan_job,
    d.Show: show.plan_show,
    d.Describe: show.plan_describe,
    a.CreateUser: access.plan_create_user,
    a.AlterUser: access.plan_alter_user,
    a.ChangePassword: access.plan_change_password,
    a.DropUser: access.plan_drop_user,
    a.GrantRole: access.plan_grant,
    a.DescribeUser: access.plan_describe_user,
    a.KillQuery: access.plan_kill_query,
    a.KillSession: access.plan_kill_session,
    a.Snapshot: access.plan_snapshot,
}


def plan(statement: s.Statement, context: Context) -> Plan:
    """The plan of a statement. Raises `QueryError` for what the statement may not mean."""
    planner = PLANNERS.get(type(statement))
    if planner is None:
        raise Unsupported(type(statement).__name__)
    return planner(statement, context)
