"""Which documents can be ingested: readable text and metadata that the stores take. Pure."""

from collections.abc import Sequence

from tools.schema import Document, FailedDocument, IngestReport

METADATA_BYTES = 60_000
"""Milvus refuses 65,536 bytes of JSON in a field; our keys and quotes come on top of what is counted here."""
UNDECODED_SHARE = 20
"""One character of so many may be U+FFFD, what a decoder writes for bytes that are no text; more are a
binary."""


def readable(documents: Sequence[Document]) -> tuple[list[Document], IngestReport]:
    """The last version of each readable document, and a report that names the others with the reason."""
    report = IngestReport()
    latest: dict[str, Document] = {}
    for document in documents:
        reason = _unreadable(document)
        if reason:
            report.failed.append(FailedDocument(id=document.id, reason=reason))
        else:
            latest[document.id] = document
    return list(latest.values()), report


def _unreadable(document: Document) -> str:
    """Why a document cannot be taken; empty when it can."""
    text = document.text
    if not text.strip():
        return "the document is empty"
    if "\x00" in text or text.count("\ufffd") > len(text) // UNDECODED_SHARE:
        return "the document is not readable text"
    try:
        (text + document.title + document.source + str(document.metadata)).encode()
    except UnicodeEncodeError:
        return "the document holds broken characters"
    if len(str(document.metadata)) > METADATA_BYTES or "\x00" in str(document.metadata):
        return "the metadata is too large or holds a NUL"
    return ""
