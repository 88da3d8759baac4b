"""The connector of S3-compatible stores: the objects below a prefix of a bucket."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from flows.ingestion.connectors.connector import MAX_ENTRIES, Content, Entry, Listed
from flows.ingestion.download import fetch_object, list_objects
from flows.ingestion.identity import identity, source_uri
from flows.ingestion.unreadable import Unreadable
from tools.settings import Settings


class Bucket:
    """Objects by `s3://bucket/prefix`; which store, and its keys, the settings say."""

    def __init__(self, settings: Settings) -> None:
        self.s3 = settings.s3

    def uri(self, address: str) -> str:
        """The prefix, as that of a folder."""
        bucket, _, prefix = address.removeprefix("s3://").partition("/")
        return source_uri(f"s3://{bucket}/{prefix}", folder=True)

    def entries(self, address: str) -> Listed:
        """The objects below a prefix."""
        bucket, _, _ = address.removeprefix("s3://").partition("/")
        return Listed(self._objects(bucket, address), folder=True)

    def fetch(self, place: str, *, known: str = "") -> Content:
        """One object; its listing has told whether it changed."""
        return Content(fetch_object(place, self.s3), PurePosixPath(place).suffix.lower())

    def close(self) -> None:
        """Nothing stays open."""

    def _objects(self, bucket: str, address: str) -> Iterator[Entry]:
        for count, item in enumerate(list_objects(address, self.s3), start=1):
            if count > MAX_ENTRIES:
                raise Unreadable("too_many", count=count, limit=MAX_ENTRIES)
            place = f"s3://{bucket}/{item.key}"
            name, former = PurePosixPath(item.key).name, f"{bucket}/{item.key}"
            yield Entry(identity(place), place, name, item.etag, item.size, former)
