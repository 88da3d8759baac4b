"""The installation's own secrets: made at the first start, kept in one private file of the data directory.

Nobody types them: they are passwords of embedded stores and keys of signatures. Keys of people are the
bridge's, in its database.
"""

import errno
import hmac
import json
import os
import secrets
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from pydantic import SecretStr

from tools.errors import StorageFull, Unavailable

FILE = "secrets"


@dataclass(frozen=True, repr=False)
class Secrets:
    """Each 43 characters of base64url (256 random bits). `identity` signs what services say of a caller,
    `sessions` the cookies of the chat page; `nebula`, `prefect` and `redis` are passwords of own servers."""

    identity: str
    sessions: str
    nebula: str
    prefect: str
    redis: str


def read_secrets(home: Path) -> Secrets:
    """The secrets of the installation in `home`; what is missing is made, once for all its processes.

    Raises StorageFull, or Unavailable where the home is no folder that can be written to."""
    path = home.absolute() / FILE
    names = [field.name for field in fields(Secrets)]
    try:
        home.mkdir(parents=True, exist_ok=True)
        while True:
            kept = json.loads(path.read_text("utf-8")) if path.exists() else {}
            if all(name in kept for name in names):
                return Secrets(**{name: kept[name] for name in names})
            _add(path, kept, {name: kept.get(name) or secrets.token_urlsafe(32) for name in names})
    except OSError as exc:
        reason = f"the secrets in {path} can not be kept: {exc.strerror}"
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(reason) from exc
        raise Unavailable(reason, code="home_unusable") from exc


def _add(path: Path, kept: dict[str, str], wanted: dict[str, str]) -> None:
    """Write `wanted`, complete or not at all; who comes second reads what the first one wrote."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({**kept, **wanted}, file)
    try:
        if kept:
            draft.replace(path)
        else:
            os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)


def planted(found: Secrets) -> tuple[str, ...]:
    """Their values, for those who keep them out of logs."""
    return tuple(asdict(found).values())


def shared_secret(secret: SecretStr | None, api_key: SecretStr | None) -> bytes | None:
    """What machines that share no home sign with: the `secret` of the settings, or one derived from the key
    that they share; None without either."""
    if secret is not None:
        return secret.get_secret_value().encode()
    if api_key is None:
        return None
    return hmac.digest(api_key.get_secret_value().encode(), b"capibara6 identity", "sha256")
