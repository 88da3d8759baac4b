"""What is not on this machine: the kinds of web pages, and the objects of an S3-compatible store."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from flows.ingestion.sources import MAX_FILE_BYTES, PARSED_SUFFIXES
from flows.ingestion.text import TEXT_SUFFIXES, Unreadable
from tools.errors import NotSupported, Unavailable, UpstreamFailed
from tools.sections import S3

if TYPE_CHECKING:
    from minio import Minio

OFFICE = "application/vnd.openxmlformats-officedocument"
OPEN_DOCUMENT = "application/vnd.oasis.opendocument"
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
    f"{OFFICE}.wordprocessingml.document": ".docx",
    f"{OFFICE}.spreadsheetml.sheet": ".xlsx",
    f"{OFFICE}.presentationml.presentation": ".pptx",
    f"{OPEN_DOCUMENT}.text": ".odt",
    f"{OPEN_DOCUMENT}.spreadsheet": ".ods",
    f"{OPEN_DOCUMENT}.presentation": ".odp",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.ms-outlook": ".msg",
    "application/epub+zip": ".epub",
    "application/rtf": ".rtf",
    "text/rtf": ".rtf",
    "text/tab-separated-values": ".tsv",
    "message/rfc822": ".eml",
    "application/mbox": ".mbox",
    "application/xml": ".xml",
    "text/xml": ".xml",
    "application/rss+xml": ".xml",
    "application/atom+xml": ".xml",
    "application/yaml": ".yaml",
}


class StoredObject(NamedTuple):
    """An object as a bucket lists it; `size` in bytes, `etag` changes with its content."""

    key: str
    size: int
    etag: str


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


def list_objects(source: str, s3: S3) -> Iterator[StoredObject]:
    """Every object below `s3://bucket/prefix`. Raises `tools.errors`."""
    bucket, _, prefix = source.removeprefix("s3://").partition("/")
    with _open_store(s3) as store:
        for item in store.list_objects(bucket, prefix=prefix, recursive=True):
            if item.object_name and not item.is_dir:
                yield StoredObject(item.object_name, item.size or 0, item.etag or "")


def fetch_object(url: str, s3: S3) -> bytes:
    """The object at `s3://bucket/key`, cut after `MAX_FILE_BYTES` and one. Raises `tools.errors`."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    with _open_store(s3) as store, closing(store.get_object(bucket, key)) as answer:
        return answer.read(MAX_FILE_BYTES + 1)  # it may have grown since it was listed


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
