"""The connector of files that people uploaded: the agent API keeps them (`/v1/files`), each its owner's.

A run that acts for somebody gets that person's files alone.
"""

import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

import httpx

from flows.ingestion.connectors.connector import Content, Entry, Listed
from flows.ingestion.identity import identity
from flows.ingestion.sources import MAX_FILE_BYTES, PARSED_SUFFIXES, TEXT_SUFFIXES
from flows.ingestion.unreadable import Unreadable
from tools.access.source_address import Credential
from tools.clients.credentials import Credentials
from tools.errors import UpstreamFailed
from tools.settings import Settings

TIMEOUT_S = 60.0
FILE_ID = re.compile(r"file-[\w-]{1,64}")


class Upload:
    """A file by `upload://FILE-ID/NAME`; its name tells its kind."""

    def __init__(self, settings: Settings, _credential: Credential | None) -> None:
        self.http = httpx.Client(base_url=settings.api_url, timeout=TIMEOUT_S, trust_env=False)
        self.credentials = Credentials(settings)

    def uri(self, address: str) -> str:
        """The address itself: what was uploaded never changes."""
        return identity(address)

    def entries(self, address: str) -> Listed:
        """The one file."""
        return Listed(self._file(address))

    def fetch(self, place: str, *, known: str = "") -> Content:
        """Its bytes. Raises Unreadable for one that is not there, or too large; UpstreamFailed."""
        body = self._get(f"{_path(place)}/content")
        return Content(body, PurePosixPath(place).suffix.lower())

    def close(self) -> None:
        """Hang up."""
        self.http.close()

    def _file(self, address: str) -> Iterator[Entry]:
        if PurePosixPath(address).suffix.lower() not in TEXT_SUFFIXES | PARSED_SUFFIXES:
            raise Unreadable("unsupported")
        about = json.loads(self._get(_path(address)))
        called = f"{about['id']}/{about['filename']}"
        yield Entry(
            identity(address), address, PurePosixPath(address).name, version=about["id"], former=called
        )

    def _get(self, path: str) -> bytes:
        body = bytearray()
        try:
            with self.http.stream("GET", path, headers=self.credentials.headers()) as answer:
                if answer.status_code == 404:
                    raise Unreadable("missing")
                answer.raise_for_status()
                for piece in answer.iter_bytes():
                    body += piece
                    if len(body) > MAX_FILE_BYTES:
                        raise Unreadable("too_large", size=len(body), limit=MAX_FILE_BYTES)
        except httpx.HTTPError as exc:
            raise UpstreamFailed("the agent API did not give the uploaded file", source="api") from exc
        return bytes(body)


def _path(address: str) -> str:
    """Where the API has the file. Raises Unreadable for what names none."""
    file_id = address.removeprefix("upload://").partition("/")[0]
    if not FILE_ID.fullmatch(file_id):
        raise Unreadable("unsupported")
    return f"/v1/files/{file_id}"
