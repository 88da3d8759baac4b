"""What an ingestion did, as the store itself tells, and how it is shown in Prefect."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact

from flows.ingestion.sources import Listing
from flows.operations.messages import say
from tools.clients.bridge import StoredDocument
from tools.settings import Language

ROWS_SHOWN = 1_000

StoredById: TypeAlias = dict[str, StoredDocument]
Failure: TypeAlias = tuple[str, str]
"""The id, or the name, of what was not ingested, and the reason in a person's language."""


@dataclass
class Report:
    """Document ids by what happened to them; `skipped` are files of kinds that are not ingested."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def summary(self, language: Language) -> str:
        """One sentence with the counts."""
        names = ("added", "changed", "unchanged", "deleted", "failed")
        return say("summary", language, **{name: len(getattr(self, name)) for name in names})


def compare(
    sent: Iterable[str],
    before: Mapping[str, StoredDocument],
    after: Mapping[str, StoredDocument],
    failed: Sequence[Failure],
) -> Report:
    """What happened to the documents that were sent: one that the store does not show was not ingested. Pure.

    `before` and `after` are the store's rows by id; those that differ in `updated_at` were written.
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


def missing_documents(
    listing: Listing, sent: Iterable[str], failed: Iterable[str], stored: Mapping[str, StoredDocument]
) -> tuple[list[str], int]:
    """Ids of documents that left the listed folders, and how many of `stored` are of those folders. Pure.

    What a file held that could not be read is not missing.
    """
    roots, present = tuple(listing.roots), set(sent)
    unread = {name for name, _ in listing.problems} | set(failed)
    inside = [key for key, row in stored.items() if roots and _origin(key, row).startswith(roots)]
    missing = [key for key in inside if key not in present and not _is_from(key, stored[key], unread)]
    return missing, len(inside)


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


def _origin(key: str, row: StoredDocument) -> str:
    """The file that a document came from; a record that names itself keeps it in its metadata."""
    return str((row.get("metadata") or {}).get("origin") or key)


def _is_from(key: str, row: StoredDocument, files: set[str]) -> bool:
    """Whether a document is, or was a part of, one of these files."""
    origin = _origin(key, row)
    parents = {origin[:cut] for cut, mark in enumerate(origin) if mark in "/#"}
    return not files.isdisjoint({key, origin, *parents})
