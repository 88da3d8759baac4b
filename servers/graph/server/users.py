"""Users: a table in the server's folder, passwords hashed. GOD may do all, GUEST may only read."""

import hashlib
import hmac
import json
import secrets
import threading
from dataclasses import dataclass
from pathlib import Path

from servers.graph.errors import QueryError
from tools.settings import Settings, is_loopback

GOD, GUEST = "GOD", "GUEST"
STOCK_PASSWORD = "nebula"


class BadLogin(QueryError):
    """No such user, or not the password (E_BAD_USERNAME_PASSWORD)."""

    code = -1001


@dataclass(frozen=True, slots=True)
class User:
    """A user who logged in; `role` is GOD or GUEST."""

    name: str
    role: str


class Users:
    """The table of users, read once. `root` is made with the settings' password when there is no table yet.

    Raises `SystemExit` for the stock password on an address that others reach.
    """

    def __init__(self, path: Path, settings: Settings) -> None:
        if not path.exists():
            password = settings.stores.nebula_password.get_secret_value()
            _write(path, {"root": {"role": GOD, "password": password_hash(password)}})
        self._table = _read(path)
        self._lock = threading.Lock()
        self._verified: dict[tuple[str, str], User] = {}
        stock = any(password_matches(STOCK_PASSWORD, row["password"]) for row in self._table.values())
        if stock and not is_loopback(settings.host):
            raise SystemExit(
                f"the graph server will not listen on {settings.host} with the stock password: "
                "set CAPIBARA6_STORES__NEBULA_PASSWORD before its first start, or change users.json"
            )

    def login(self, name: str, password: str) -> User:
        """The user. Raises `BadLogin`, in Nebula's words."""
        verified = self._verified.get((name, password))
        if verified is not None:
            return verified
        row = self._table.get(name)
        if row is None:
            raise BadLogin("User not exist")
        if not password_matches(password, row["password"]):
            raise BadLogin("Invalid password")
        user = User(name, row["role"])
        with self._lock:
            self._verified[(name, password)] = user
        return user

    def names(self) -> list[str]:
        """The users' names, sorted."""
        return sorted(self._table)


def add_user(path: Path, name: str, password: str, role: str = GUEST) -> None:
    """Write a user into the table; the server reads it at its next start."""
    table = _read(path) if path.exists() else {}
    table[name] = {"role": role, "password": password_hash(password)}
    _write(path, table)


def password_hash(password: str) -> str:
    """`salt$hash` of a password, in hex; scrypt with a fresh salt."""
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}${_scrypt(password, salt).hex()}"


def password_matches(password: str, stored: str) -> bool:
    """Whether the password is that of a `salt$hash`; takes the same time either way."""
    salt, _, wanted = stored.partition("$")
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)).hex(), wanted)


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**12, r=8, p=1)


def _read(path: Path) -> dict[str, dict[str, str]]:
    return json.loads(path.read_text(encoding="utf-8"))


def _write(path: Path, table: dict[str, dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text(json.dumps(table, indent=1), encoding="utf-8")
    part.replace(path)
