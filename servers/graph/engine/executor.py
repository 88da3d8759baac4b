"""The executor: one request from text to `Result` — parse, permission, plan, run.

Every error leaves as a `Result`; nothing is half-answered. Plans themselves are made in `planner`.
"""

import re
import time
from dataclasses import dataclass, field

from servers.graph.engine.administration_protocol import Administration
from servers.graph.engine.execution import Execution, QueryLimits, Row, Rows
from servers.graph.engine.permissions import check
from servers.graph.engine.plan import Context, Plan
from servers.graph.engine.planner import plan
from servers.graph.errors import (
    MemoryExceeded,
    NgqlSyntaxError,
    QueryError,
    SemanticError,
    Unsupported,
)
from servers.graph.language import ddl_statements as d
from servers.graph.language import statements as s
from servers.graph.language.parser import Parser
from servers.graph.language.quoting import requoted
from servers.graph.storage.catalog import Catalog
from servers.graph.values.types import Parameters

CLUSTER_ONLY = re.compile(
    r"\s*(?:BALANCE|SHOW\s+(?:LISTENER|ZONES|CONFIGS|TEXT|FULLTEXT|META)"
    r"|(?:ADD|REMOVE|DROP)\s+(?:LISTENER|HOSTS|ZONE)|(?:CREATE|DROP|REBUILD)\s+FULLTEXT|SIGN\s+(?:IN|OUT)"
    r"|GET\s+CONFIGS|UPDATE\s+CONFIGS|MERGE\s+ZONE|DIVIDE\s+ZONE|RENAME\s+ZONE"
    r"|DESC(?:RIBE)?\s+ZONE|ALTER\s+SPACE|STOP\s+JOB|RECOVER\s+JOB|DOWNLOAD|INGEST|SUBMIT\s+JOB\s+(?:BALANCE|DOWNLOAD|INGEST))\b",
    re.IGNORECASE,
)


PLANNED = (SemanticError, NgqlSyntaxError)
"""What planning refuses; NebulaGraph's parser refuses some of it before, in other words."""


@dataclass(slots=True)
class Result:
    """What a request gave. `code` is 0 or Nebula's error; `columns` are empty for no table.

    `latency` is microseconds.
    """

    columns: list[str] = field(default_factory=list)
    rows: Rows = field(default_factory=list)
    code: int = 0
    message: str = ""
    space: str = ""
    latency: int = 0
    plan: Plan | None = None


@dataclass(slots=True)
class Engine:
    """The query engine that all requests share; safe for many threads."""

    catalog: Catalog
    parser: Parser
    limits: QueryLimits

    def new_execution(self, parameters: Parameters) -> Execution:
        """A run that begins now, its deadline set by the limits."""
        return Execution(self.limits, time.monotonic() + self.limits.deadline_s, parameters)

    def execute(
        self, text: str, run: Execution, *, space: str | None, administration: Administration
    ) -> Result:
        """Run a request's statements in order and give the last one's table.

        Never raises for what a statement does. `space` is the session's, None before USE.
        """
        started = time.perf_counter_ns()
        try:
            result = self._execute(text, run, space, administration)
        except QueryError as exc:
            error = requoted(exc, text, run.parameters) if isinstance(exc, PLANNED) else exc
            result = Result(code=error.number, message=error.message)
        except (MemoryError, RecursionError) as exc:
            error = MemoryExceeded(f"the query is too large: {type(exc).__name__}")
            result = Result(code=error.number, message=error.message)
        result.latency = (time.perf_counter_ns() - started) // 1000
        return result

    def _execute(
        self, text: str, run: Execution, space: str | None, administration: Administration
    ) -> Result:
        statements = self._parse(text)
        used = space
        for statement in statements:
            used = check(statement, used, administration)
        context = Context(self.catalog, space, run.parameters, plan, self.parser.parse, administration)
        result = Result()
        pending: list[Plan] = []
        for statement in statements:
            pending.append(plan(statement, context))
            if _changes_names(statement):
                result = _run_all(pending, run)
                pending = []
        return _run_all(pending, run) if pending else result

    def _parse(self, text: str) -> list[s.Statement]:
        try:
            return self.parser.parse(text)
        except QueryError:
            found = CLUSTER_ONLY.match(text)
            if found is not None:
                raise Unsupported(" ".join(found[0].upper().split())) from None
            raise


def _changes_names(statement: s.Statement) -> bool:
    """Whether later statements must be planned after this one ran."""
    return isinstance(statement, d.Use) or (statement.writes and type(statement).__module__ == d.__name__)


def _run_all(plans: list[Plan], run: Execution) -> Result:
    result = Result()
    for item in plans:
        rows: list[Row] = item.run(run)
        run.check()
        result = Result(item.columns, rows, plan=item)
    return result
