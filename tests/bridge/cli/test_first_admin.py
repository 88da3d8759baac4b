"""The first admin is made once, where there is nobody yet."""

from typing import Any

import pytest

from servers.bridge.cli.first_admin import NAME, ensure_first_admin
from tools.errors import Conflict

pytestmark = pytest.mark.pure


class People:
    """Stands in for the bridge's users."""

    def __init__(self, *names: str, hidden: tuple[str, ...] = ()) -> None:
        self.names, self.hidden = list(names), hidden
        self.passwords: dict[str, str] = {}

    async def users(self) -> list[dict[str, str]]:
        return [{"name": name} for name in self.names]

    async def add_user(self, name: str, *, role: str, password: str) -> None:
        if name in self.hidden:
            raise Conflict("there is a user of this name")
        assert role == "admin"
        self.names.append(name)
        self.passwords[name] = password


async def ensured(people: Any) -> str | None:
    return await ensure_first_admin(people)


async def test_the_first_start_makes_an_admin_with_a_password_of_its_own() -> None:
    one, other = People(), People()
    password = await ensured(one)
    assert password is not None and len(password) >= 16
    assert one.passwords == {NAME: password}
    assert await ensured(other) != password
    assert await ensured(one) is None
    assert one.names == [NAME]


async def test_where_somebody_is_already_nobody_is_made() -> None:
    assert await ensured(People("ana")) is None
    assert await ensured(People(hidden=(NAME,))) is None
