"""Whom the claims of a provider's token name: user name and role. It decides and asks nobody.

The identity of a person is issuer and subject. The name is for people to read: it must fit the pattern of our
users' names, and a name that had to be changed for that carries a mark of its identity, so that two people
never become one. Two with the same name are told apart, and the second refused, where names are kept.
"""

import hashlib
import re
import unicodedata
from dataclasses import asdict, dataclass
from typing import Any

from tools.access.identity import LOCAL, SCOPES, Role
from tools.errors import Forbidden, Unauthorized
from tools.schema import JsonObject
from tools.sections import Oidc

USER = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
USER_CHARS = 64
MARK_CHARS = 10
_NOT_IN_NAMES = re.compile(r"[^a-z0-9._@-]+")


@dataclass(frozen=True)
class Person:
    """Somebody whom the provider knows; `expires_at` (Unix seconds) is when their token ends."""

    issuer: str
    subject: str
    user: str
    role: Role
    tenant: str
    expires_at: float

    def external(self) -> dict[str, str]:
        """What the bridge is told of them."""
        return {name: value for name, value in asdict(self).items() if name != "expires_at"}


def person_of(claims: JsonObject, settings: Oidc) -> Person:
    """The person of verified claims. Raises Unauthorized when they have no name, Forbidden when no role."""
    name = _text_at(claims, settings.user_claim)
    if not name:
        raise Unauthorized(
            f"the provider's token has no claim {settings.user_claim!r} (CAPIBARA6_OIDC__USER_CLAIM)",
            code="invalid_token",
        )
    if settings.user_claim == "email" and claims.get("email_verified") is False:
        raise Unauthorized("the provider has not verified this e-mail address", code="invalid_token")
    role = role_of(groups_in(claims, settings.groups_claim), settings)
    if role is None:
        raise Forbidden(f"{name} is in no group that may enter (CAPIBARA6_OIDC__ROLES)", source="oidc")
    issuer, subject = claims["iss"], claims["sub"]
    user = user_name(name, issuer=issuer, subject=subject)
    return Person(issuer, subject, user, role, settings.tenant, float(claims["exp"]))


def user_name(name: str, *, issuer: str, subject: str) -> str:
    """`name` as it is where it fits our pattern and is not the deployment's own; else what fits of it, and a
    mark of issuer and subject."""
    if USER.fullmatch(name) and name != LOCAL.user:
        return name
    letters = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    plain = _NOT_IN_NAMES.sub("-", letters).strip("._@-")
    mark = hashlib.sha256(f"{issuer}\0{subject}".encode()).hexdigest()[:MARK_CHARS]
    room = USER_CHARS - MARK_CHARS - 1
    return f"{plain[:room].rstrip('._@-') or 'user'}-{mark}"


def role_of(groups: list[str], settings: Oidc) -> Role | None:
    """The highest role that one of the groups gives; `default_role` where none does."""
    given: list[Role] = [settings.roles[group] for group in groups if group in settings.roles]
    return max(given, key=lambda role: len(SCOPES[role])) if given else settings.default_role


def groups_in(claims: JsonObject, path: str) -> list[str]:
    """The groups of a claim: a list or one name, at its exact name or at a path (`realm_access.roles`)."""
    value = _at(claims, path)
    listed = value if isinstance(value, list) else [value]
    return [group for group in listed if isinstance(group, str)]


def _text_at(claims: JsonObject, path: str) -> str:
    value = _at(claims, path)
    return value if isinstance(value, str) else ""


def _at(claims: JsonObject, path: str) -> Any:
    if path in claims:
        return claims[path]
    value: Any = claims
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
