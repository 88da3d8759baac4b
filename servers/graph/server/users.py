"""Who may log in: a table in the server's folder, passwords hashed. GOD may do all, GUEST may only read."""

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
    code = -1001


@dataclass(frozen=True, slots=True)
class User:
    name: str
    role: str


class Users:
    """The table, read once. `root` is made with the settings' password when there is no table yet."""

    def __init__(self, path: Path, settings: Settings) -> None:
        if not path.exists():
            password = settings.stores.nebula_password.get_secret_value()
            _write(path, {"root": {"role": GOD, "password": digest(password)}})
        self._table = _read(path)
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], User] = {}
        stock = any(matches(STOCK_PASSWORD, row["password"]) for row in self._table.values())
        if stock and not is_loopback(settings.host):
            raise SystemExit(
                f"the graph server will not listen on {settings.host} with the stock password: "
                "set CAPIBARA6_STORES__NEBULA_PASSWORD before its first start, or change users.json"
            )

    def login(self, name: str, password: str) -> User:
        """Raises `BadLogin`, in Nebula's words."""
        known = self._known.get((name, password))
        if known is not None:
            return known
        row = self._table.get(name)
        if row is None:
            raise BadLogin("User not exist")
        if not matches(password, row["password"]):
            raise BadLogin("Invalid password")
        user = User(name, row["role"])
        with self._lock:
            self._known[(name, password)] = user
        return user

    def names(self) -> list[str]:
        return sorted(self._table)


def add_user(path: Path, name: str, password: str, role: str = GUEST) -> None:
    """Write a user into the table; the server reads it at its next start."""
    table = _read(path) if path.exists() else {}
    table[name] = {"role": role, "password": digest(password)}
    _write(path, table)


def digest(password: str) -> str:
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}${_scrypt(password, salt).hex()}"


def matches(password: str, kept: str) -> bool:
    salt, _, wanted = kept.partition("$")
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
