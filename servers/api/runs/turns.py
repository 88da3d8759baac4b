"""Turns: what a run of a thread asked and what became of it, as a chat shows it again. It starts no run."""

from collections.abc import Sequence

from agents.events import Done, Failed, Retrieved, Token
from servers.api.runs.active_run import RunEvent
from servers.api.runs.tables import RunRow
from tools.schema import Turn

DONE, FAILED, RETRIEVED, TOKEN = (
    kind.model_fields["event"].default for kind in (Done, Failed, Retrieved, Token)
)


def turn_of(row: RunRow, events: Sequence[RunEvent]) -> Turn:
    """One run as a turn. `events` are all that are known of it: of its row, or of the run in progress.

    An answer that is not whole is the text so far, with the passages that were found for it."""
    kinds = [event.data for event in events if not event.part]
    ending = row.ending or (kinds[-1] if kinds else {})
    messages = row.request.get("messages", [])
    turn = Turn(
        run_id=row.run_id,
        status=row.status,
        question=messages[-1]["content"] if messages else "",
        created_at=row.created_at.isoformat(),
    )
    if ending.get("event") == DONE:
        return turn.model_copy(update={"answer": Done.model_validate(ending).answer})
    error = ending["error"] if ending.get("event") == FAILED else None
    found = [event for event in kinds if event["event"] == RETRIEVED]
    return turn.model_copy(
        update={
            "text": "".join(event["text"] for event in kinds if event["event"] == TOKEN),
            "citations": Retrieved.model_validate(found[-1]).citations if found else [],
            "error": error,
        }
    )


def events_of(row: RunRow) -> list[RunEvent]:
    """The events that an ended run's row keeps."""
    return [RunEvent(*stored) for stored in row.events]
