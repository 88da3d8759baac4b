"""Brings what does not lie on this machine: web pages, guarded, and objects of an S3-compatible store."""

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flows.ingestion.sources import MOST_BYTES, PACKED, Found
from flows.ingestion.text import TEXT, Unreadable
from tools.errors import NotSupported, Unavailable, UpstreamFailed
from tools.fetch import fetch
from tools.sections import S3
from tools.settings import Settings

if TYPE_CHECKING:
    from minio import Minio

KINDS = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "application/pdf": ".pdf",
    "text/markdown": ".md",
    "text/csv": ".csv",
    "application/json": ".json",
    "application/x-ndjson": ".jsonl",
    "application/jsonl": ".jsonl",
    "application/zip": ".zip",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
}


def bring(found: Found, settings: Settings, folder: Path) -> Found:
    """The same document as a file in `folder`. Raises `Unreadable` and `tools.errors`."""
    if found.url.startswith("s3://"):
        return _object(found, settings.s3, folder)
    page = asyncio.run(fetch(found.url, rules=settings.fetch))
    path = folder / f"page{suffix_of(page.url, page.content_type)}"
    path.write_bytes(page.body)
    return replace(found, path=path, size=len(page.body))


def suffix_of(url: str, content_type: str) -> str:
    """What kind of file a page is, by what its server says, then by its name. Raises `Unreadable`. Pure."""
    suffix = PurePosixPath(urlsplit(url).path).suffix.lower()
    if content_type in KINDS:
        return KINDS[content_type]
    if suffix in TEXT | PACKED and content_type in ("", "text/plain", "application/octet-stream"):
        return suffix
    if content_type.startswith("text/"):
        return ".txt"
    raise Unreadable("unsupported")


def objects(source: str, s3: S3) -> Iterator[tuple[str, int]]:
    """`(key, bytes)` of every object below `s3://bucket/prefix`. Raises `tools.errors`."""
    bucket, _, prefix = source.removeprefix("s3://").partition("/")
    with _store(s3) as store:
        for item in store.list_objects(bucket, prefix=prefix, recursive=True):
            if item.object_name and not item.is_dir:
                yield item.object_name, item.size or 0


def _object(found: Found, s3: S3, folder: Path) -> Found:
    if found.size > MOST_BYTES:
        raise Unreadable("too_large", size=found.size, limit=MOST_BYTES)
    bucket, _, key = found.url.removeprefix("s3://").partition("/")
    path = folder / f"object{PurePosixPath(key).suffix.lower()}"
    with _store(s3) as store, closing(store.get_object(bucket, key)) as answer, path.open("wb") as file:
        file.write(answer.read(MOST_BYTES + 1))  # it may have grown since it was listed
    return replace(found, path=path, size=path.stat().st_size)


@contextmanager
def _store(s3: S3) -> Iterator["Minio"]:
    try:
        from minio import Minio  # noqa: PLC0415  (an extra)
        from minio.error import MinioException  # noqa: PLC0415
        from urllib3 import PoolManager, Retry  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415
    except ImportError as exc:
        raise NotSupported("s3:// needs the extra: pip install 'capibara6[s3]'", source="s3") from exc
    if s3.endpoint is None:
        raise NotSupported("set CAPIBARA6_S3__ENDPOINT to read s3:// sources", source="s3")
    where = urlsplit(s3.endpoint if "//" in s3.endpoint else f"//{s3.endpoint}", scheme="https")
    secret = s3.secret_key.get_secret_value() if s3.secret_key else None
    patience = PoolManager(retries=Retry(2, backoff_factor=0.2), timeout=30.0)
    store = Minio(
        where.netloc,
        access_key=s3.access_key,
        secret_key=secret,
        region=s3.region,
        secure=where.scheme == "https",
        http_client=patience,
    )
    try:
        yield store
    except MinioException as exc:
        raise UpstreamFailed(f"the object store refused: {exc}"[:300], source="s3") from exc
    except HTTPError as exc:
        raise Unavailable("the object store is not reachable", source="s3", retry_after=1) from exc
