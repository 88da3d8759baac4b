"""Which headers carry a key, and when one of them opens a service."""

from pathlib import Path

import pytest

from servers.web.api_key import ApiKeyCheck, is_key, keys_in
from tests.conftest import settings_in
from tools.errors import Unauthorized

KEY = b"the-key"


@pytest.mark.parametrize(
    ("headers", "keys"),
    [
        ([], set()),
        ([(b"x-api-key", b" a ")], {b"a"}),
        ([(b"authorization", b"Bearer a")], {b"a"}),
        ([(b"authorization", b"bEARER  a ")], {b"a"}),
        ([(b"authorization", b"Basic a")], set()),
        ([(b"authorization", b"Bearer ")], set()),
        ([(b"x-api-key", b""), (b"authorization", b"Bearer a")], {b"a"}),
        ([(b"x-api-key", b"a"), (b"authorization", b"Bearer b"), (b"x-api-key", b"c")], {b"a", b"b", b"c"}),
        ([(b"x-api-keys", b"a"), (b"cookie", b"x-api-key=a")], set()),
    ],
)
def test_every_key_is_found_in_whichever_header(headers: list[tuple[bytes, bytes]], keys: set[bytes]) -> None:
    assert keys_in(headers) == keys


def opens(home: Path, headers: dict[bytes, bytes], *, key: str | None = "the-key", path: str = "/x") -> bool:
    try:
        ApiKeyCheck(settings_in(home, api_key=key), name="test").check(path, headers)
    except Unauthorized:
        return False
    return True


@pytest.mark.parametrize(
    ("headers", "opened"),
    [
        ({}, False),
        ({b"x-api-key": KEY}, True),
        ({b"authorization": b"Bearer the-key"}, True),
        ({b"x-api-key": b"wrong", b"authorization": b"Bearer the-key"}, True),
        ({b"x-api-key": KEY, b"authorization": b"Bearer wrong"}, True),
        ({b"x-api-key": KEY, b"authorization": b"Basic wrong"}, True),
        ({b"x-api-key": b"the-key2", b"authorization": b"Bearer the-ke"}, False),
        ({b"x-api-key": "llave-ñ".encode()}, False),
    ],
)
def test_a_service_opens_to_whoever_shows_the_key(
    tmp_path: Path, headers: dict[bytes, bytes], opened: bool
) -> None:
    assert opens(tmp_path, headers) is opened


def test_without_a_key_and_on_health_paths_everybody_enters(tmp_path: Path) -> None:
    assert opens(tmp_path, {}, key=None)
    assert opens(tmp_path, {}, path="/health/ready")
    assert not opens(tmp_path, {}, path="/health/ready/")


def test_nothing_is_the_key_of_a_service_without_one() -> None:
    assert not is_key(b"", None)
