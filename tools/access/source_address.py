"""Addresses of sources that ask who one is (IMAP, WebDAV), taken apart; and the passwords that go with them.

Pure: it connects nowhere and keeps nothing.
"""

from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from tools.access.authority import written
from tools.errors import BadRequest, Forbidden

PORTS = {"imaps": 993, "webdav": 80, "webdavs": 443}


@dataclass(frozen=True)
class Credential:
    """The password for one account: `account` is `imaps://ana@mail.example.org`, no other gets it."""

    account: str
    password: SecretStr


@dataclass(frozen=True)
class Account:
    """An address of a server that asks who one is, taken apart; `path` is decoded."""

    scheme: str
    user: str
    host: str
    port: int
    path: str
    raw_path: str

    @property
    def authority(self) -> str:
        """Host and port, as addresses write them."""
        return written(self.host, self.port, PORTS[self.scheme])


def parse_account(address: str) -> Account:
    """Pure. Raises BadRequest; also for an address that holds a password."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as exc:
        raise _bad(str(exc)) from exc
    if parts.scheme not in PORTS:
        _refuse(f"only {', '.join(PORTS)}")
    if parts.password is not None:
        _refuse("it may not hold a password: give that by itself (--password)")
    if not parts.hostname or parts.query or parts.fragment or not address.isprintable() or " " in address:
        _refuse("scheme://user@host/path is needed")
    raw = parts.path or "/"
    host, user = parts.hostname or "", unquote(parts.username or "")
    return Account(parts.scheme, user, host, port or PORTS[parts.scheme], unquote(raw), raw)


def account_of(address: str) -> str:
    """Whose password an address needs: its scheme, user, host and port. Pure. Raises BadRequest."""
    found = parse_account(address)
    return f"{found.scheme}://{found.user}@{found.host}:{found.port}"


def password_for(address: str, credential: Credential | None) -> str:
    """The password for what is at an address. Pure. Raises Forbidden when it is none of that account's."""
    account = account_of(address)
    if credential is None or account_of(credential.account) != account:
        shown = account.replace("%", "")
        raise Forbidden(f"there is no password for {shown}: capibara6 sources add", source="ingest")
    return credential.password.get_secret_value()


def _bad(why: str) -> BadRequest:
    return BadRequest(f"this is not the address of a source: {why}", param="source", code="bad_address")


def _refuse(why: str) -> NoReturn:
    raise _bad(why)
