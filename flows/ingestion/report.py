"""What an ingestion did, as the store itself tells, and how it is shown in Prefect."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact

from flows.ingestion.sources import Listing
from flows.operations.messages import say
from tools.settings import Language

ROWS_SHOWN = 1_000


@dataclass
class Report:
    """Document ids by what happened to them; `failed` holds `(name, reason)`."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def summary(self, language: Language) -> str:
        names = ("added", "changed", "unchanged", "deleted", "failed")
        return say("summary", language, **{name: len(getattr(self, name)) for name in names})


def compare(
    sent: Iterable[str], before: dict[str, Any], after: dict[str, Any], failed: Sequence[tuple[str, str]]
) -> Report:
    """What happened to the documents that were sent: one that the store does not show was not ingested.

    `before` and `after` are rows of the store by id; those that differ in `updated_at` were written.
    """
    report = Report(failed=list(failed))
    refused = {name for name, _ in failed}
    for document_id in sent:
        if document_id in refused:
            continue
        if document_id not in after:
            report.failed.append((document_id, "accepted, but not in the collection"))
        elif document_id not in before:
            report.added.append(document_id)
        elif before[document_id].get("updated_at") != after[document_id].get("updated_at"):
            report.changed.append(document_id)
        else:
            report.unchanged.append(document_id)
    return report


def gone(
    listing: Listing, sent: Iterable[str], failed: Iterable[str], known: dict[str, Any]
) -> tuple[list[str], int]:
    """Documents of the listed folders that are there no more, and how many those folders have.

    What a file held that could not be read is not gone.
    """
    roots, present = tuple(listing.roots), set(sent)
    broken = {name for name, _ in listing.problems} | set(failed)
    held = [key for key, row in known.items() if roots and _origin(key, row).startswith(roots)]
    missing = [key for key in held if key not in present and not _from(key, known[key], broken)]
    return missing, len(held)


async def publish(report: Report, collection: str, language: Language) -> None:
    """A table of what changed and a summary, both in Prefect's UI."""
    key = collection.replace("_", "-")
    rows = [{"document": name, "status": "failed", "reason": reason} for name, reason in report.failed]
    for status in ("deleted", "added", "changed", "unchanged", "skipped"):
        rows += [{"document": name, "status": status, "reason": ""} for name in getattr(report, status)]
    await acreate_table_artifact(rows[:ROWS_SHOWN], key=f"ingest-{key}", description=report.summary(language))
    lines = [f"## {say('report_title', language)} `{collection}`", "", report.summary(language), ""]
    lines += [f"- `{name}`: {reason}" for name, reason in report.failed[:ROWS_SHOWN]]
    await acreate_markdown_artifact("\n".join(lines), key=f"ingest-{key}-summary")


def _origin(key: str, row: dict[str, Any]) -> str:
    return str((row.get("metadata") or {}).get("origin") or key)


def _from(key: str, row: dict[str, Any], broken: set[str]) -> bool:
    """Whether a document is, or was a part of, one of the files that could not be read."""
    place = _origin(key, row)
    parents = {place[:cut] for cut, mark in enumerate(place) if mark in "/#"}
    return not broken.isdisjoint({key, place, *parents})
