"""Downloads what is not on this machine: web pages, and objects of an S3-compatible store.

Which addresses a page may be at is `tools/fetch.py`'s decision.
"""

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flows.ingestion.sources import MAX_FILE_BYTES, PARSED_SUFFIXES, SourceFile
from flows.ingestion.text import TEXT_SUFFIXES, Unreadable
from tools.errors import NotSupported, Unavailable, UpstreamFailed
from tools.fetch import fetch
from tools.sections import S3
from tools.settings import Settings

if TYPE_CHECKING:
    from minio import Minio

SUFFIXES = {
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


def download(file: SourceFile, settings: Settings, folder: Path) -> SourceFile:
    """The same as a file in `folder`. Raises `Unreadable` and `tools.errors`."""
    if file.url.startswith("s3://"):
        return _download_object(file, settings.s3, folder)
    page = asyncio.run(fetch(file.url, rules=settings.fetch))
    path = folder / f"page{suffix_of(page.url, page.content_type)}"
    path.write_bytes(page.body)
    return replace(file, path=path, size=len(page.body))


def suffix_of(url: str, content_type: str) -> str:
    """The suffix (`.html`) of a page: by its media type, then by its name. Raises `Unreadable`. Pure."""
    suffix = PurePosixPath(urlsplit(url).path).suffix.lower()
    if content_type in SUFFIXES:
        return SUFFIXES[content_type]
    if suffix in TEXT_SUFFIXES | PARSED_SUFFIXES and content_type in (
        "",
        "text/plain",
        "application/octet-stream",
    ):
        return suffix
    if content_type.startswith("text/"):
        return ".txt"
    raise Unreadable("unsupported")


def list_objects(source: str, s3: S3) -> Iterator[tuple[str, int]]:
    """`(key, bytes)` of every object below `s3://bucket/prefix`. Raises `tools.errors`."""
    bucket, _, prefix = source.removeprefix("s3://").partition("/")
    with _open_store(s3) as store:
        for item in store.list_objects(bucket, prefix=prefix, recursive=True):
            if item.object_name and not item.is_dir:
                yield item.object_name, item.size or 0


def _download_object(file: SourceFile, s3: S3, folder: Path) -> SourceFile:
    if file.size > MAX_FILE_BYTES:
        raise Unreadable("too_large", size=file.size, limit=MAX_FILE_BYTES)
    bucket, _, key = file.url.removeprefix("s3://").partition("/")
    path = folder / f"object{PurePosixPath(key).suffix.lower()}"
    with _open_store(s3) as store, closing(store.get_object(bucket, key)) as answer, path.open("wb") as out:
        out.write(answer.read(MAX_FILE_BYTES + 1))  # it may have grown since it was listed
    return replace(file, path=path, size=path.stat().st_size)


@contextmanager
def _open_store(s3: S3) -> Iterator["Minio"]:
    """A client of the store; its errors become ours."""
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
    connections = PoolManager(retries=Retry(2, backoff_factor=0.2), timeout=30.0)
    store = Minio(
        where.netloc,
        access_key=s3.access_key,
        secret_key=secret,
        region=s3.region,
        secure=where.scheme == "https",
        http_client=connections,
    )
    try:
        yield store
    except MinioException as exc:
        raise UpstreamFailed(f"the object store refused: {exc}"[:300], source="s3") from exc
    except HTTPError as exc:
        raise Unavailable("the object store is not reachable", source="s3", retry_after=1) from exc
