"""Every secret that a process has been told, and their removal from what it writes."""

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from pydantic import BaseModel, SecretStr

from tools.access.secrets import planted
from tools.sections import STOCK_NEBULA_PASSWORD
from tools.settings import Settings

MIN_CHARS = 8
"""What is shorter is also part of words that are no secret."""


def secret_values(settings: Settings) -> frozenset[str]:
    """The secrets of the settings and of the installation; of an address that holds a password, the password.

    Raises StorageFull where the installation's own can not be read."""
    told = {part for secret in _secrets(settings) for part in _parts(secret)}
    found = {*told, *planted(settings.secrets)} - {STOCK_NEBULA_PASSWORD}
    return frozenset(value for value in found if len(value) >= MIN_CHARS)


def concealer(values: Iterable[str]) -> Callable[[str], str]:
    """Replaces these values by `***`, also as JSON, URLs and Basic authentication write them."""
    spellings = {spelling for value in values for spelling in _spellings(value)}
    if not spellings:
        return lambda text: text
    pattern = re.compile("|".join(map(re.escape, sorted(spellings, key=len, reverse=True))))
    return lambda text: pattern.sub("***", text)


def _secrets(value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, str) and "://" in value:
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name))
    elif isinstance(value, dict):
        for item in value.values():
            yield from _secrets(item)


def _parts(secret: str) -> Iterator[str]:
    """Of an address the password; of an auth string (`user:password`) the password besides."""
    if "://" in secret:
        password = urlsplit(secret).password
        yield from (password, unquote(password)) if password else ()
        return
    yield secret
    user, mark, password = secret.partition(":")
    if mark and user.isalnum():
        yield password


def _spellings(value: str) -> Iterator[str]:
    yield value
    yield quote(value, safe="")
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield base64.b64encode(f"capibara6:{value}".encode()).decode()
    yield base64.b64encode(value.encode()).decode()
