"""How many bytes a path takes."""

import pytest

from servers.web.door import Form


@pytest.mark.pure
def test_a_path_has_less_room_than_others_and_more_only_for_uploads() -> None:
    assert Form().bound(1_000) == 1_000
    assert [Form(body_bytes=size).bound(1_000) for size in (500, 5_000)] == [500, 1_000]
    assert [Form(body_bytes=size, uploads=True).bound(1_000) for size in (500, 5_000)] == [500, 5_000]
