"""Which connector reads which address; those of one listing or batch are opened, and closed, together."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from flows.ingestion.changes import file_hash
from flows.ingestion.connectors.bucket import Bucket
from flows.ingestion.connectors.connector import Connector, Listed, NotModified
from flows.ingestion.connectors.imap import Imap
from flows.ingestion.connectors.upload import Upload
from flows.ingestion.connectors.web import Web
from flows.ingestion.connectors.webdav import WebDav
from flows.ingestion.sources import MAX_FILE_BYTES, SourceFile
from flows.ingestion.unreadable import Unreadable
from tools.access.source_address import Credential
from tools.settings import Settings

Build = Callable[[Settings, Credential | None], Connector]
CONNECTORS: Mapping[str, Build] = MappingProxyType(
    {
        "http": lambda settings, _: Web(settings),
        "https": lambda settings, _: Web(settings),
        "s3": lambda settings, _: Bucket(settings),
        "imaps": Imap,
        "webdav": WebDav,
        "webdavs": WebDav,
        "upload": Upload,
    }
)
"""By the scheme of an address; `tools/access/local_files.py` names the same schemes."""


class Connectors:
    """The connectors that are in use. One thread uses them; they raise `tools.errors` and `Unreadable`."""

    def __init__(self, settings: Settings, credential: Credential | None) -> None:
        self.settings, self.credential = settings, credential
        self._open: dict[Build, Connector] = {}

    def uri(self, source: str) -> str:
        """What a source is called by the documents that it brought. It asks nobody."""
        return self._of(source).uri(source)

    def entries(self, source: str) -> Listed:
        """What a source that is not on this machine holds."""
        return self._of(source).entries(source)

    def download(self, file: SourceFile, folder: Path) -> SourceFile:
        """The same as a file in `folder`, with a hash: of the version that its listing told, else what its
        server says of its state, else of its bytes. Raises NotModified when that is known already."""
        if file.size > MAX_FILE_BYTES:
            raise Unreadable("too_large", size=file.size, limit=MAX_FILE_BYTES)
        content = self._of(file.url).fetch(file.url, known=file.known)
        path = folder / f"content{content.suffix}"
        path.write_bytes(content.body)
        digest = file.hash or content.state or file_hash(path)
        if digest == file.known:
            raise NotModified
        return replace(file, path=path, size=len(content.body), hash=digest)

    def close(self) -> None:
        """Hang up everywhere."""
        for connector in self._open.values():
            connector.close()

    def _of(self, address: str) -> Connector:
        build = CONNECTORS.get(urlsplit(address).scheme)
        if build is None:
            raise Unreadable("unsupported")
        if build not in self._open:
            self._open[build] = build(self.settings, self.credential)
        return self._open[build]


@contextmanager
def open_connectors(settings: Settings, credential: Credential | None = None) -> Iterator[Connectors]:
    """The connectors; what they have opened is closed with the block."""
    connectors = Connectors(settings, credential)
    try:
        yield connectors
    finally:
        connectors.close()
