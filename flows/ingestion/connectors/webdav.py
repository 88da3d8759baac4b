"""The WebDAV connector (RFC 4918), for Nextcloud and others: the files below a folder.

A document's identity is the address under which people open it: `https://…`.
"""

import asyncio
import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from urllib.parse import unquote, urljoin, urlsplit
from xml.etree.ElementTree import Element

from flows.ingestion.connectors.connector import MAX_ENTRIES, Content, Entry, Listed
from flows.ingestion.connectors.foreign_xml import parse_xml
from flows.ingestion.identity import identity, source_uri
from flows.ingestion.unreadable import Unreadable
from tools.access.addresses import is_loopback
from tools.access.source_address import Account, Credential, parse_account, password_for
from tools.errors import BadRequest, Forbidden, UpstreamFailed
from tools.fetch import Order, Page, fetch
from tools.settings import Settings

SCHEMES = {"webdav": "http", "webdavs": "https"}
MAX_DEPTH = 32
REFUSED = (401, 403, 404)
ASKED = b"""<?xml version="1.0" encoding="utf-8"?>
<propfind xmlns="DAV:"><prop><resourcetype/>
<getetag/><getlastmodified/><getcontentlength/></prop></propfind>"""


class WebDav:
    """Files by `webdavs://user@host/folder`; `webdav://` (no TLS) takes a password on this machine only."""

    def __init__(self, settings: Settings, credential: Credential | None) -> None:
        self.rules, self.credential = settings.fetch, credential

    def uri(self, address: str) -> str:
        """The address under which people open the folder."""
        return source_uri(_url(parse_account(address)), folder=True)

    def entries(self, address: str) -> Listed:
        """The files below a folder, or the file at that address; hidden names are left out."""
        return Listed(self._walk(address, parse_account(address)), folder=True)

    def fetch(self, place: str, *, known: str = "") -> Content:
        """One file; its listing has told whether it changed."""
        page = self._ask(place, Order(redirects=0, statuses=REFUSED))
        return Content(page.body, PurePosixPath(parse_account(place).path).suffix.lower())

    def close(self) -> None:
        """Nothing stays open."""

    def _walk(self, address: str, account: Account) -> Iterator[Entry]:
        """Folder by folder: many servers refuse to list all at once. What is not below the folder that was
        named, or on another server, is left out whatever the server says."""
        root, found = _url(account), 0
        waiting = [(account.raw_path, 0)]
        while waiting:
            path, depth = waiting.pop()
            inside = self._list(address, replace(account, raw_path=path))
            for href, properties in sorted(inside, key=lambda item: item[0]):
                url = urljoin(_url(replace(account, raw_path=path)), href)
                below = _below(url, root)
                if below is None or any(part.startswith(".") for part in PurePosixPath(below).parts):
                    continue
                if properties.get("collection"):
                    if urlsplit(url).path.rstrip("/") != path.rstrip("/"):
                        if depth >= MAX_DEPTH:
                            raise Unreadable("too_many", count=depth, limit=MAX_DEPTH)
                        waiting.append((urlsplit(url).path, depth + 1))
                    continue
                found += 1
                if found > MAX_ENTRIES:
                    raise Unreadable("too_many", count=found, limit=MAX_ENTRIES)
                yield _entry(account, url, properties)

    def _list(self, address: str, account: Account) -> list[tuple[str, dict[str, str]]]:
        headers = {"depth": "1", "content-type": "application/xml"}
        order = Order("PROPFIND", headers, ASKED, redirects=0, statuses=REFUSED)
        page = self._ask(_place(account, _url(account)), order)
        return list(read_multistatus(page.body))

    def _ask(self, place: str, order: Order) -> Page:
        account = parse_account(place)
        headers = dict(order.headers)
        if account.user:
            if account.scheme == "webdav" and not is_loopback(account.host):
                raise Forbidden("webdav:// shows the password to everybody: use webdavs://", source="webdav")
            shown = f"{account.user}:{password_for(place, self.credential)}"
            headers["authorization"] = f"Basic {base64.b64encode(shown.encode()).decode()}"
        page = asyncio.run(fetch(_url(account), rules=self.rules, order=replace(order, headers=headers)))
        if page.status in REFUSED:
            why = "there is no such folder or file" if page.status == 404 else "the account is not let in"
            raise UpstreamFailed(f"{_url(account)}: {why} ({page.status})", source="webdav")
        return page


def read_multistatus(data: bytes) -> Iterator[tuple[str, dict[str, str]]]:
    """`(href, properties)` of each thing in an answer to PROPFIND: `getetag`, `getlastmodified`,
    `getcontentlength`, and `collection` for folders. Pure. Raises Unreadable."""
    for response in parse_xml(data).iter("{DAV:}response"):
        href = response.findtext("{DAV:}href", "").strip()
        if href:
            yield href, dict(_properties(response))


def _properties(response: Element) -> Iterator[tuple[str, str]]:
    for found in response.iter("{DAV:}prop"):
        for item in found:
            name = item.tag.rpartition("}")[2]
            if name == "resourcetype":
                yield "collection", "yes" if item.find("{DAV:}collection") is not None else ""
            elif item.text:
                yield name, item.text.strip()


def _entry(account: Account, url: str, properties: dict[str, str]) -> Entry:
    size = properties.get("getcontentlength", "")
    modified = f"{properties.get('getlastmodified', '')} {size}".strip()
    return Entry(
        uri=identity(url),
        place=_place(account, url),
        name=PurePosixPath(unquote(urlsplit(url).path)).name,
        version=properties.get("getetag") or modified,
        size=int(size) if size.isascii() and size.isdigit() else 0,
    )


def _below(url: str, root: str) -> str | None:
    """Where a thing is inside the folder; None for what is elsewhere. Pure."""
    there, named = urlsplit(url), urlsplit(root)
    if (there.scheme, there.netloc) != (named.scheme, named.netloc):
        return None
    path, top = unquote(there.path), unquote(named.path).rstrip("/")
    if ".." in path.split("/") or not (path == top or path.startswith(f"{top}/")):
        return None
    return path[len(top) :].strip("/")


def _url(account: Account) -> str:
    if not account.raw_path.isascii():
        raise BadRequest("a path is written with percent signs", param="source", code="bad_address")
    return f"{SCHEMES[account.scheme]}://{account.authority}{account.raw_path}"


def _place(account: Account, url: str) -> str:
    """Where the connector fetches what is at `url`."""
    user = (
        f"{account.user.replace('%', '%25').replace('@', '%40').replace(':', '%3A')}@" if account.user else ""
    )
    return f"{account.scheme}://{user}{account.authority}{urlsplit(url).path}"
