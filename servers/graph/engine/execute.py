"""One request: parse, permission, plan, run. Every error leaves as a `Result`; nothing is half-answered."""

import re
import time
from dataclasses import dataclass, field
from typing import Any

from servers.graph.engine.frame import Caps, Row, Rows, Run
from servers.graph.engine.plan import Context, Plan
from servers.graph.engine.planner import plan, writes
from servers.graph.errors import MemoryExceeded, PermissionDenied, QueryError, Unsupported
from servers.graph.language import definitions as d
from servers.graph.language import statements as s
from servers.graph.language.parser import Parser
from servers.graph.storage.catalog import Catalog

CLUSTER_ONLY = re.compile(
    r"\s*(?:(?:CREATE|DROP|ALTER|GRANT|REVOKE|CHANGE|DESCRIBE|DESC)\s+(?:USER|ROLE|PASSWORD)"
    r"|CREATE\s+SNAPSHOT|DROP\s+SNAPSHOT|BALANCE|SHOW\s+(?:ROLES|LISTENER|ZONES|CONFIGS|TEXT|FULLTEXT|META)"
    r"|(?:ADD|REMOVE|DROP)\s+(?:LISTENER|HOSTS|ZONE)|(?:CREATE|DROP|REBUILD)\s+FULLTEXT|SIGN\s+(?:IN|OUT)"
    r"|GRANT|REVOKE|CHANGE\s+PASSWORD|GET\s+CONFIGS|UPDATE\s+CONFIGS|KILL|MERGE\s+ZONE|DIVIDE\s+ZONE|RENAME\s+ZONE"
    r"|DESC(?:RIBE)?\s+ZONE|ALTER\s+SPACE|STOP\s+JOB|RECOVER\s+JOB|DOWNLOAD|INGEST|SUBMIT\s+JOB\s+(?:BALANCE|DOWNLOAD|INGEST))\b",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Result:
    """`code` 0 means success; `columns` empty means no table. `latency` in microseconds."""

    columns: list[str] = field(default_factory=list)
    rows: Rows = field(default_factory=list)
    code: int = 0
    message: str = ""
    space: str = ""
    latency: int = 0
    plan: Plan | None = None


@dataclass(slots=True)
class Engine:
    """What all requests share."""

    catalog: Catalog
    parser: Parser
    caps: Caps

    def new_run(self, parameters: dict[str, Any]) -> Run:
        return Run(self.caps, time.monotonic() + self.caps.deadline_s, parameters)

    def execute(
        self, text: str, run: Run, *, space: str | None, may_write: bool, administration: Any
    ) -> Result:
        """Never raises for what a statement does."""
        started = time.perf_counter_ns()
        try:
            result = self._execute(text, run, space, may_write, administration)
        except QueryError as exc:
            result = Result(code=exc.number, message=exc.message)
        except (MemoryError, RecursionError) as exc:
            error = MemoryExceeded(f"the query is too large: {type(exc).__name__}")
            result = Result(code=error.number, message=error.message)
        result.latency = (time.perf_counter_ns() - started) // 1000
        return result

    def _execute(
        self, text: str, run: Run, space: str | None, may_write: bool, administration: Any
    ) -> Result:
        statements = self._parse(text)
        if not may_write and any(map(writes, statements)):
            raise PermissionDenied("No permission to write data.")
        context = Context(
            self.catalog, space, run.parameters, plan, self.parser.parse, administration=administration
        )
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


def _run_all(plans: list[Plan], run: Run) -> Result:
    result = Result()
    for item in plans:
        rows: list[Row] = item.run(run)
        run.check()
        result = Result(item.columns, rows, plan=item)
    return result
