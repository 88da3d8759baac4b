"""What an ingestion did, as the bridge itself tells, and how it is shown in Prefect."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact

from flows.ingestion.formats import remedy
from flows.ingestion.sending import Sent
from flows.ingestion.sources import Listing
from flows.ingestion.unreadable import Unreadable
from flows.operations.messages import say
from tools.clients.bridge import StoredDocument
from tools.schema import Document
from tools.settings import Language

ROWS_SHOWN = 1_000

StoredById: TypeAlias = dict[str, StoredDocument]
Failure: TypeAlias = tuple[str, str]
"""The id, or the name, of what was not ingested, and the reason in a person's language."""


@dataclass
class Report:
    """Document ids by what happened to them; `former` is what the moved ones were called, `skipped` are files
    of kinds that are not ingested."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    former: dict[str, str] = field(default_factory=dict)

    def note(self, documents: Sequence[Document], sent: Sent, known: Mapping[str, str]) -> None:
        """Count what became of documents that were sent; `known` is what the store said of their files
        before: when an answer was lost, the second try finds unchanged what the first has written."""
        refused = {name for name, _ in sent.failed}
        self.failed += sent.failed
        for document in documents:
            before = known.get(document.origin.id, "") if document.origin else ""
            if document.id in refused:
                continue
            if document.id in sent.moved:
                self.moved.append(document.id)
                self.former[document.id] = sent.moved[document.id]
            elif document.id in sent.added or (before == "new" and document.id not in sent.changed):
                self.added.append(document.id)
            elif document.id in sent.changed or not sent.known:
                self.changed.append(document.id)
            else:
                self.unchanged.append(document.id)

    def ends(self, language: Language) -> Iterator[str]:
        """A line for each document or file: how it ended, its name, and why it was refused or left out."""
        for status in ("unchanged", "added", "changed", "moved", "deleted"):
            for name in getattr(self, status):
                former = f" ({self.former[name]})" if name in self.former else ""
                yield f"{say(f'end_{status}', language)}: {name}{former}"
        for name in self.skipped:
            reason = (remedy(name) or Unreadable("unsupported")).say(language)
            yield f"{say('end_skipped', language)}: {name} ({reason})"
        for name, reason in self.failed:
            yield f"{say('end_failed', language)}: {name} ({reason})"

    def summary(self, language: Language) -> str:
        """One sentence with the counts."""
        names = ("added", "changed", "moved", "unchanged", "deleted", "failed", "skipped")
        return say("summary", language, **{name: len(getattr(self, name)) for name in names})


def missing_documents(
    listing: Listing, sent: Iterable[str], failed: Iterable[str], stored: Mapping[str, StoredDocument]
) -> tuple[list[str], int]:
    """Ids of documents that left the sources, and how many of `stored` these have brought. Pure.

    What a file held that could not be read is not missing.
    """
    roots, sources, present = tuple(listing.roots), set(listing.sources), set(sent)
    unread = {name for name, _ in listing.problems} | set(failed)
    inside = [
        key
        for key, row in stored.items()
        if row.get("source_uri") in sources or (roots and _origin(key, row).startswith(roots))
    ]
    missing = [key for key in inside if key not in present and not _is_from(key, stored[key], unread)]
    return missing, len(inside)


async def publish(report: Report, collection: str, language: Language) -> None:
    """A table of what changed and a summary, both in Prefect's UI."""
    key = collection.replace("_", "-")
    rows = [{"document": name, "status": "failed", "reason": reason} for name, reason in report.failed]
    for status in ("deleted", "added", "changed", "moved", "unchanged", "skipped"):
        rows += [{"document": name, "status": status, "reason": ""} for name in getattr(report, status)]
    await acreate_table_artifact(rows[:ROWS_SHOWN], key=f"ingest-{key}", description=report.summary(language))
    lines = [f"## {say('report_title', language)} `{collection}`", "", report.summary(language), ""]
    lines += [f"- `{name}`: {reason}" for name, reason in report.failed[:ROWS_SHOWN]]
    await acreate_markdown_artifact("\n".join(lines), key=f"ingest-{key}-summary")


def _origin(key: str, row: StoredDocument) -> str:
    """The file that a document came from; before there were origins, a record had it in its metadata."""
    return str(row.get("origin") or (row.get("metadata") or {}).get("origin") or key)


def _is_from(key: str, row: StoredDocument, files: set[str]) -> bool:
    """Whether a document is, or was a part of, one of these files."""
    origin = _origin(key, row)
    parents = {origin[:cut] for cut, mark in enumerate(origin) if mark in "/#"}
    return not files.isdisjoint({key, origin, *parents})
