"""NebulaGraph's GraphService over thrift: requests to sessions and the engine, results to responses."""

import time
from typing import Any

from nebula3.common.ttypes import ErrorCode
from nebula3.graph import ttypes

from servers.graph.engine.execution import Execution
from servers.graph.engine.executor import Engine, Result
from servers.graph.engine.statements.explain import PlanNode, plan_nodes
from servers.graph.errors import QueryError
from servers.graph.server import json_result
from servers.graph.server.administration import Jobs, SessionAdministration
from servers.graph.server.compact_protocol import CompactDataSet
from servers.graph.server.sessions import RunningQuery, Sessions
from servers.graph.server.thrift_values import from_thrift
from servers.graph.server.users import Users
from tools.log import get_logger

log = get_logger("graph")
t: Any = ttypes
"""The generated module: its constructors are made at import, out of a type checker's sight."""


class GraphServiceHandler:
    """Thrift's handler of `GraphService`: methods and parameters are named by its IDL (graph.thrift).

    One object for all connections; every method may run in many threads at once. Errors are codes in the
    response.
    """

    def __init__(self, engine: Engine, users: Users, sessions: Sessions, *, address: tuple[str, int]) -> None:
        self._engine, self._users, self._sessions = engine, users, sessions
        self._jobs, self._address = Jobs(), address

    def verifyClientVersion(self, req: Any) -> Any:
        """Every version is welcome."""
        return t.VerifyClientVersionResp(error_code=ErrorCode.SUCCEEDED)

    def authenticate(self, username: bytes, password: bytes) -> Any:
        """Log in: a new session's id, in UTC."""
        try:
            user = self._users.login(_text(username), _text(password))
            session = self._sessions.open(user, "")
        except QueryError as exc:
            return t.AuthResponse(error_code=exc.number, error_msg=exc.message.encode())
        return t.AuthResponse(
            error_code=ErrorCode.SUCCEEDED,
            session_id=session.id,
            time_zone_offset_seconds=0,
            time_zone_name=b"UTC",
        )

    def signout(self, sessionId: int) -> None:
        """End the session."""
        self._sessions.close(sessionId)

    def execute(self, sessionId: int, stmt: bytes) -> Any:
        """Run a request; the table in the response is written by `CompactDataSet`."""
        return self.executeWithParameter(sessionId, stmt, None)

    def executeWithParameter(
        self,
        sessionId: int,
        stmt: bytes,
        parameterMap: dict[bytes, Any] | None,
    ) -> Any:
        """As `execute`, with `$parameters`."""
        result, run = self._run(sessionId, stmt, parameterMap)
        response = t.ExecutionResponse(
            error_code=result.code, latency_in_us=result.latency, space_name=result.space.encode()
        )
        if result.code:
            response.error_msg = result.message.encode("utf-8", "replace")
        elif result.columns:
            response.data = CompactDataSet(result.columns, result.rows)
        if result.plan is not None and result.plan.explained:
            response.plan_desc = plan_description(plan_nodes(result.plan, run))
        return response

    def executeJson(self, sessionId: int, stmt: bytes) -> bytes:
        """Run a request; the result as JSON."""
        return self.executeJsonWithParameter(sessionId, stmt, None)

    def executeJsonWithParameter(
        self,
        sessionId: int,
        stmt: bytes,
        parameterMap: dict[bytes, Any] | None,
    ) -> bytes:
        """As `executeJson`, with `$parameters`."""
        return json_result.result_to_json(self._run(sessionId, stmt, parameterMap)[0])

    def _execute(self, text: str, run: Execution, **options: Any) -> Result:
        """A fault of the server is an answer too: the connection and the other sessions go on."""
        try:
            return self._engine.execute(text, run, **options)
        except Exception as exc:
            log.error("unexpected", exc_info=exc)
            return Result(code=ErrorCode.E_UNKNOWN, message=f"Internal error: {type(exc).__name__}")

    def _run(self, number: int, stmt: bytes, given: dict[bytes, Any] | None) -> tuple[Result, Execution]:
        run = self._engine.new_execution({})
        try:
            session = self._sessions.get(number)
            text = stmt.decode()
            parameters = {_text(key): from_thrift(value) for key, value in (given or {}).items()}
        except QueryError as exc:
            return Result(code=exc.number, message=exc.message), run
        except UnicodeDecodeError:
            return Result(
                code=ErrorCode.E_SYNTAX_ERROR, message="SyntaxError: the statement is not UTF-8"
            ), run
        run.parameters = parameters
        query = RunningQuery(next(self._sessions.numbers), text, time.time(), run)
        session.queries[query.number] = query
        try:
            result = self._execute(
                text,
                run,
                space=session.space,
                administration=SessionAdministration(
                    session, self._sessions, self._users, self._jobs, self._address, run
                ),
            )
        finally:
            del session.queries[query.number]
        session.updated = time.time_ns() // 1000
        result.space = session.space or ""
        return result, run


def plan_description(nodes: list[PlanNode]) -> Any:
    """Thrift's PlanDescription of an EXPLAIN or PROFILE."""
    made = []
    for node in nodes:
        profiles = None
        if node.rows is not None:
            times = {"exec_duration_in_us": node.micros, "total_duration_in_us": node.micros}
            profiles = [t.ProfilingStats(rows=node.rows, other_stats={}, **times)]
        columns = t.Pair(key=b"colNames", value=str(node.columns).encode())
        made.append(
            t.PlanNodeDescription(
                name=node.name.encode(),
                id=node.id,
                output_var=f"__{node.name}_{node.id}".encode(),
                description=[columns],
                profiles=profiles,
                dependencies=node.depends,
            )
        )
    index = {node.id: node.id for node in nodes}
    return t.PlanDescription(plan_node_descs=made, node_index_map=index, format=b"row", optimize_time_in_us=0)


def _text(data: bytes | str) -> str:
    return data.decode("utf-8", "replace") if isinstance(data, bytes) else data
