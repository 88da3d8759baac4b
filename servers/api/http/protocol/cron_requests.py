"""Requests for crons of LangGraph's API: a run's choices, and when it is run."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, ValidationError, field_validator

from servers.api.http.dependencies import Limit, Offset, ThreadId
from servers.api.http.protocol.run_requests import ClientMetadata, RunChoices, RunCreate, StrictRequest
from servers.api.http.protocol.schemas import Select
from servers.api.runs.crons import Cron, Plan
from servers.api.runs.runner import Strategy
from servers.api.runs.tables import as_utc
from tools.errors import BadRequest
from tools.schema import JsonObject

FIELDS = re.compile(r"[0-9A-Za-z*,/#-]+( [0-9A-Za-z*,/#-]+){4}")
"""Minute, hour, day, month and weekday; seconds would run an agent without pause."""
OWN = ("schedule", "timezone", "end_time", "on_run_completed", "enabled")
"""What of a cron is not of its runs."""


class CronCreate(RunChoices):
    """A run to make at its hours. On a busy thread it waits for its turn, unless asked otherwise; without a
    thread, each run leaves none behind, unless `on_run_completed` is `keep`."""

    schedule: Annotated[str, Field(max_length=200)]
    timezone: Annotated[str, Field(max_length=64)] | None = None
    end_time: datetime | None = None
    on_run_completed: Literal["delete", "keep"] | None = None
    enabled: bool = True
    multitask_strategy: Strategy = "enqueue"

    @field_validator("schedule")
    @classmethod
    def _five(cls, value: str) -> str:
        written = " ".join(value.split())
        if not FIELDS.fullmatch(written):
            raise ValueError("a schedule has five fields: minute, hour, day, month, weekday (0 9 * * 1)")
        return written

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        try:
            return value and ZoneInfo(value).key
        except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
            raise ValueError(f"{value!r} is no time zone of IANA's (Europe/Madrid)") from exc

    @field_validator("end_time")
    @classmethod
    def _zoned(cls, value: datetime | None) -> datetime | None:
        return value and as_utc(value)

    def run(self, thread_id: str | None) -> RunCreate:
        """The run that it makes. Raises BadRequest."""
        if thread_id is None and self.input is None:
            raise BadRequest("a cron without a thread takes an input", param="input", source="api")
        if thread_id is not None and self.on_run_completed is not None:
            why = "the thread is kept: only crons without one have on_run_completed"
            raise BadRequest(why, param="on_run_completed", source="api")
        return RunCreate.model_validate(self._payload())

    def plan(self, thread_id: str | None) -> Plan:
        """What is kept of it."""
        own = {name: getattr(self, name) for name in OWN}
        return Plan(payload=self._payload(), thread_id=thread_id, **own)

    def _payload(self) -> JsonObject:
        chosen = set(RunChoices.model_fields) - {"agent_id"}
        run = self.model_dump(mode="json", include=chosen, exclude_unset=True)
        run |= {"assistant_id": self.agent_id, "multitask_strategy": self.multitask_strategy}
        return run | ({"on_completion": "keep"} if self.on_run_completed == "keep" else {})


class CronChange(StrictRequest):
    """What of a cron takes the place of what was; `end_time: null` makes it endless."""

    schedule: Any = None
    timezone: Any = None
    end_time: Any = None
    on_run_completed: Any = None
    enabled: Any = None
    input: Any = None
    metadata: Any = None
    config: Any = None
    context: Any = None
    webhook: Any = None
    interrupt_before: Any = None
    interrupt_after: Any = None
    stream_mode: Any = None
    stream_subgraphs: Any = None
    stream_resumable: Any = None
    durability: Any = None

    def over(self, cron: Cron) -> CronCreate:
        """The cron with these changes. Raises BadRequest."""
        kept = {name: value for name, value in cron.payload.items() if name != "on_completion"}
        given = self.model_dump(exclude_unset=True)
        try:
            return CronCreate.model_validate({**kept, **{name: getattr(cron, name) for name in OWN}, **given})
        except ValidationError as exc:
            first = exc.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise BadRequest(first["msg"], param=where, source="api", code="invalid_value") from exc


class CronFilter(StrictRequest):
    """Crons of an assistant and a thread whose metadata contain these."""

    assistant_id: Annotated[str, Field(max_length=256)] | None = None
    thread_id: ThreadId | None = None
    enabled: bool | None = None
    metadata: ClientMetadata = Field(default={})

    def finds(self, cron: Cron) -> bool:
        """Whether it is one of them."""
        return (
            self.assistant_id in (None, cron.assistant_id)
            and self.thread_id in (None, cron.thread_id)
            and self.enabled in (None, cron.enabled)
            and self.metadata.items() <= cron.metadata.items()
        )


class CronSearch(CronFilter):
    """A page of crons, with the fields to tell of each."""

    limit: Limit = 10
    offset: Offset = 0
    sort_by: Literal[
        "cron_id", "assistant_id", "thread_id", "created_at", "updated_at", "next_run_date", "end_time"
    ] = "created_at"
    sort_order: Literal["asc", "desc"] = "desc"
    select: Select = None

    def page(self, found: list[Cron]) -> list[Cron]:
        """The page of those found; those without the value to sort by are last."""
        known = [cron for cron in found if getattr(cron, self.sort_by) is not None]
        known.sort(key=lambda cron: getattr(cron, self.sort_by), reverse=self.sort_order == "desc")
        rest = [cron for cron in found if getattr(cron, self.sort_by) is None]
        return [*known, *rest][self.offset : self.offset + self.limit]


def refuse_over(end_time: datetime | None) -> None:
    """Raises BadRequest for an end that is over."""
    if end_time is not None and end_time <= datetime.now(UTC):
        raise BadRequest("end_time is over", param="end_time", source="api", code="invalid_value")
