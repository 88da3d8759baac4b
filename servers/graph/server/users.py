"""Users: a table in the server's folder, passwords hashed; roles in all spaces or in one.

What a role may do is `engine/permissions`'.
"""

import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers.graph.errors import ExecutionError, QueryError, SemanticError
from tools.sections import STOCK_NEBULA_PASSWORD
from tools.settings import Settings

GOD, GUEST = "GOD", "GUEST"
ROOT = "root"


class BadLogin(QueryError):
    """No such user, or not the password (E_BAD_USERNAME_PASSWORD)."""

    code = -1001


@dataclass(frozen=True, slots=True)
class User:
    """A user who logged in."""

    name: str


class Users:
    """The table of users, read once. Root's password is always that of the settings: a home that was made
    with the stock one, or that lost its secrets, gets the present one.
    """

    def __init__(self, path: Path, settings: Settings) -> None:
        if not path.exists():
            _write(path, {})
        self._path, self._table = path, _read(path)
        if settings.stores.nebula_user == ROOT or not self._table:
            self._set_root(_root_password(settings))
        self._lock = threading.Lock()
        self._verified: dict[tuple[str, str], User] = {}

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
        user = User(name)
        with self._lock:
            self._verified[(name, password)] = user
        return user

    def _set_root(self, password: str) -> None:
        row = self._table.get(ROOT)
        if row is None or not password_matches(password, row["password"]):
            self._table[ROOT] = {"role": GOD, "password": password_hash(password)}
            _write(self._path, self._table)

    def role(self, name: str, space: str | None) -> str:
        """The user's role in a space: that of all spaces or the space's own, whichever may more."""
        row = self._table.get(name)
        if row is None:
            return ""
        everywhere = row.get("role", "")
        return everywhere or (row.get("roles", {}).get(space, "") if space else "")

    def create(self, name: str, password: str) -> bool:
        """A user without a role; False when the name is taken."""
        with self._changing() as table:
            if name in table:
                return False
            table[name] = {"role": "", "password": password_hash(password)}
            return True

    def set_password(self, name: str, old: str | None, new: str) -> None:
        """Another password; `old` is checked unless it is None. Raises `ExecutionError`."""
        with self._changing() as table:
            row = self._row(table, name)
            if old is not None and not password_matches(old, row["password"]):
                raise ExecutionError("Invalid password!")
            if name == ROOT:
                raise ExecutionError("root's password is that of the settings")
            row["password"] = password_hash(new)
            self._verified = {key: user for key, user in self._verified.items() if key[0] != name}

    def drop(self, name: str) -> bool:
        """Forget the user; False when there is none."""
        with self._changing() as table:
            self._verified = {key: user for key, user in self._verified.items() if key[0] != name}
            return table.pop(name, None) is not None

    def grant(self, name: str, role: str, space: str) -> None:
        """The user's only role in the space. Raises `ExecutionError`, `SemanticError` for root."""
        with self._changing() as table:
            row = self._row(table, name)
            if row.get("role") == GOD:
                raise SemanticError(f"User '{name}' is GOD, cannot be granted.")
            row.setdefault("roles", {})[space] = role

    def revoke(self, name: str, role: str, space: str) -> None:
        """Take the role away. Raises `ExecutionError` when the user has none or another there."""
        with self._changing() as table:
            roles = self._row(table, name).get("roles", {})
            if space not in roles:
                raise ExecutionError("Role not existed!")
            if roles[space] != role:
                raise ExecutionError("Improper role!")
            del roles[space]

    def forget_space(self, space: str) -> None:
        """Nobody has a role in the space any more."""
        if any(space in row.get("roles", {}) for row in self._table.values()):
            with self._changing() as table:
                for row in table.values():
                    row.get("roles", {}).pop(space, None)

    def roles(self) -> list[tuple[str, str, str]]:
        """`(user, role, space)` of every role; the space is "" for a role in all."""
        made = [(name, row["role"], "") for name, row in self._table.items() if row.get("role")]
        for name, row in self._table.items():
            made += [(name, role, space) for space, role in row.get("roles", {}).items()]
        return made

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        """A copy of the table that is kept, in memory and on disk, when the block ends well."""
        with self._lock:
            table = json.loads(json.dumps(self._table))
            yield table
            _write(self._path, table)
            self._table = table

    @staticmethod
    def _row(table: dict[str, Any], name: str) -> dict[str, Any]:
        if name not in table:
            raise ExecutionError("User not existed!")
        return table[name]

    def names(self) -> list[str]:
        """The users' names, sorted."""
        return sorted(self._table)


def _root_password(settings: Settings) -> str:
    given = settings.stores.nebula_password.get_secret_value()
    return settings.secrets.nebula if given == STOCK_NEBULA_PASSWORD else given


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


def _read(path: Path) -> dict[str, dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8"))


def _write(path: Path, table: dict[str, dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text(json.dumps(table, indent=1), encoding="utf-8")
    part.replace(path)
