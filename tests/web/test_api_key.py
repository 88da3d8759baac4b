"""Which headers carry a key."""

import pytest

from servers.web.api_key import is_key, keys_in

pytestmark = pytest.mark.pure


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


def test_nothing_is_the_key_of_a_service_without_one() -> None:
    assert not is_key(b"", None)
