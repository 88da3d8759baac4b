"""Who may read, write and share a collection: owner, platform, shares; in Python and in SQL alike."""

import itertools

import pytest
from sqlalchemy import text

from servers.bridge.clients.postgres.client import Postgres
from servers.bridge.manifest.repository import Repository
from servers.bridge.manifest.sharing import EVERYBODY_READS, Share, Sharing, Sharings, first_shares
from tools.access.identity import LOCAL, ROLES, SCOPES, Principal, Role
from tools.settings import Settings


def person(name: str, role: Role = "user", *scopes: str) -> Principal:
    return Principal("default", name, role, frozenset(scopes) or SCOPES[role], "session")


ANA, BERTO, OLGA, ADA = person("ana"), person("berto"), person("olga", "operator"), person("ada", "admin")
EVERYONE = (ANA, BERTO, OLGA, ADA)


ALL = "local ana berto olga ada"


def who(sharing: Sharing, verb: str) -> str:
    return " ".join(one.user for one in (LOCAL, *EVERYONE) if getattr(sharing, verb)(one))


@pytest.mark.pure
@pytest.mark.parametrize(
    ("shares", "read", "write", "share"),
    [
        ([], "local ana", "local ana", "local ana"),
        ([EVERYBODY_READS], ALL, "local ana olga ada", "local ana ada"),
        ([Share("user", "berto", "read")], "local ana berto", "local ana", "local ana"),
        ([Share("user", "berto", "write")], "local ana berto", "local ana berto", "local ana"),
        ([Share("role", "operator", "read")], "local ana olga ada", "local ana", "local ana"),
        ([Share("role", "admin", "write")], "local ana ada", "local ana ada", "local ana ada"),
        ([Share("role", "user", "read")], ALL, "local ana", "local ana"),
        ([Share("everybody", "", "write")], ALL, ALL, "local ana ada"),
        ([Share("nonsense", "berto", "write")], "local ana", "local ana", "local ana"),
    ],
)  # fmt: skip
def test_a_share_lets_in_whom_it_names_and_no_more(
    shares: list[Share], read: str, write: str, share: str
) -> None:
    sharing = Sharing("ana", tuple(shares))
    assert (who(sharing, "may_read"), who(sharing, "may_write"), who(sharing, "may_share")) == (
        read,
        write,
        share,
    )


@pytest.mark.pure
def test_an_operators_key_without_the_scope_does_not_operate() -> None:
    sharing = Sharing("ana", (EVERYBODY_READS,))
    assert not sharing.may_write(person("olga", "operator", "read", "write"))
    assert not sharing.may_share(person("ada", "admin", "read", "write", "operate"))


@pytest.mark.pure
def test_what_a_user_makes_is_private_and_the_rest_is_read_by_everybody() -> None:
    assert first_shares(ANA) == ()
    assert {first_shares(one) for one in (LOCAL, OLGA, ADA)} == {(EVERYBODY_READS,)}


async def test_sql_reads_what_may_be_read(stores: Settings) -> None:
    postgres = Postgres(stores.postgres_dsn, "test", deadline_s=10.0)
    repository, sharings = Repository(postgres, embedder="e", dimensions=2), Sharings(postgres)
    possible = [
        Share("user", "berto", "read"), *(Share("role", role, "read") for role in ROLES), EVERYBODY_READS
    ]  # fmt: skip
    try:
        for number, count in itertools.product(range(len(possible)), (0, 1)):
            name = f"sql{number}{count}"
            location = repository.location("default", name)
            await repository.ensure(location, owner=("ana", "berto")[count], shares=())
            await sharings.put("default", name, possible[number : number + 1 + count])
        found = await sharings.all("default")
        for principal in (LOCAL, *EVERYONE):
            expected = {name for name, sharing in found.items() if sharing.may_read(principal)}
            query = "SELECT name FROM collections ORDER BY name"
            answer = await postgres.query(query, [], principal=principal, max_rows=1_000)
            assert {row[0] for row in answer.rows} == expected, principal.user
        other = Principal("acme", "ana", "admin", SCOPES["admin"], "session")
        answer = await postgres.query("SELECT name FROM collections", [], principal=other, max_rows=1_000)
        assert not [row for row in answer.rows if str(row[0]).startswith("sql")]
    finally:
        async with postgres.session() as session:
            await session.execute(text("DELETE FROM collections WHERE name LIKE 'sql%'"))
            await session.execute(text("DELETE FROM capibara6_shares WHERE collection LIKE 'sql%'"))
        await postgres.close()
