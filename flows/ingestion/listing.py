"""From the names of sources to what they hold, wherever they lie, and why some of it is not read."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from flows.ingestion.connectors.registry import open_connectors
from flows.ingestion.formats import remedy
from flows.ingestion.identity import UNNAMED, source_uri
from flows.ingestion.sources import Listing, find
from flows.ingestion.unreadable import Unreadable
from tools.access.local_files import is_local, named_path
from tools.access.source_address import Credential
from tools.clients.prefect import open_prefect
from tools.clients.source_blocks import read_credential
from tools.errors import BadRequest
from tools.schema import Language
from tools.settings import Settings


async def find_credential(settings: Settings, block: str) -> Credential | None:
    """The password of a source; None for one that has none. Raises NotFound."""
    if not block:
        return None
    async with open_prefect(settings) as prefect:
        return await read_credential(prefect, block)


def list_sources(
    sources: Sequence[str],
    settings: Settings,
    within: Sequence[str] | None,
    credential: Credential | None = None,
    named: Mapping[str, str] = UNNAMED,
) -> Listing:
    """What the sources hold; of this machine's files only those below `within`, where that is given."""
    roots = None if within is None else [Path(root) for root in within]
    with open_connectors(settings, credential) as connectors:
        return find(sources, elsewhere=connectors, within=roots, named=named)


def addresses_of(sources: Sequence[str], settings: Settings, named: Mapping[str, str] = UNNAMED) -> list[str]:
    """What sources are called by the documents that they brought (`source_uri`), also those that are there no
    more: nobody is asked. Raises BadRequest."""
    found: list[str] = []
    with open_connectors(settings) as connectors:
        for source in sources:
            path = named_path(source) if is_local(source) else None
            try:
                if not is_local(source):
                    found.append(connectors.uri(source))
                elif path is not None:
                    found += [source_uri(str(path), named, folder=folder) for folder in (True, False)]
            except Unreadable as exc:
                raise BadRequest(f"{source} is no address", param="sources", source="ingest") from exc
    return found


def refusals(listing: Listing, language: Language) -> list[tuple[str, str]]:
    """What could not be listed, and documents in a folder whose format is too old to be read."""
    problems = [
        (name, (reason.key == "unsupported" and remedy(name)) or reason) for name, reason in listing.problems
    ]
    problems += [(name, Unreadable("old_office")) for name in listing.skipped if is_old(name)]
    return [(name, reason.say(language)) for name, reason in problems]


def is_old(name: str) -> bool:
    """Whether a document's format is too old to be read. Pure."""
    known = remedy(name)
    return known is not None and known.key == "old_office"
