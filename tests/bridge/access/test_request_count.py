"""Quotas of the day: requests of a key and of a user, counted here, written down, held against the bound."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from servers.bridge.access import request_count
from servers.bridge.access.keys import CachedKey, KeyLimits
from servers.bridge.access.request_count import RequestCount
from servers.bridge.access.usage import Usage, merged, today, until_tomorrow_s
from servers.bridge.clients.postgres.client import Postgres
from tests.bridge.callers import acting
from tools.access.identity import SCOPES, Principal
from tools.errors import QuotaExceeded
from tools.sections import Quota
from tools.settings import Settings


def key(key_id: str, user: str, most: int | None, *, own: bool) -> CachedKey:
    principal = Principal("quotas", user, "user", SCOPES["user"], key_id)
    fields = frozenset({"requests"}) if own else frozenset[str]()
    return CachedKey(b"", principal, KeyLimits(60, 1, None), Quota(requests=most), fields, None)


@pytest.mark.pure
def test_a_keys_own_quota_counts_the_key_and_a_users_all_of_the_users_keys() -> None:
    count = RequestCount()
    one, two = key("k1", "ana", 3, own=False), key("k2", "ana", 3, own=False)
    for item in (one, two, one):
        count.add(item)
    with pytest.raises(QuotaExceeded) as refused:
        count.add(two)
    assert 0 < (refused.value.retry_after or 0) <= 86_400
    own = key("k3", "ana", 2, own=True)
    count.add(own)
    count.add(own)
    with pytest.raises(QuotaExceeded):
        count.add(own)
    count.add(key("k4", "ana", None, own=False))


@pytest.mark.pure
def test_a_new_day_begins_at_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    count, one = RequestCount(), key("k1", "eva", 1, own=False)
    count.add(one)
    with pytest.raises(QuotaExceeded):
        count.add(one)
    monkeypatch.setattr(request_count, "today", lambda: today() + timedelta(days=1))
    count.add(one)
    with pytest.raises(QuotaExceeded):
        count.add(one)


@pytest.mark.pure
def test_the_stronger_quota_holds_field_by_field() -> None:
    found = merged({"requests": 1}, {"requests": 5, "tokens": 7}, settings=Quota(tokens=9, passages=2))
    assert found == Quota(requests=1, tokens=7, passages=2)
    assert 1 <= until_tomorrow_s() <= 86_400
    assert today() == datetime.now(UTC).date()


async def test_what_other_replicas_wrote_down_counts_as_well(stores: Settings) -> None:
    postgres = Postgres(stores.postgres_dsn, "test", deadline_s=10.0)
    usage, name = Usage(postgres), "ulla"
    try:
        first, second, bound = RequestCount(), RequestCount(), key("k9", name, 4, own=False)
        first.add(bound)
        first.add(bound)
        await first.flush(usage)
        await second.flush(usage)
        second.add(bound)
        second.add(bound)
        with pytest.raises(QuotaExceeded):
            second.add(bound)
        await second.flush(usage)
        assert (await usage.today("quotas", name)).requests == 4
        postgres.breaker.trip()
        first.pending.update({("quotas", name, "k9"): 1})
        with pytest.raises(Exception, match="not reachable"):
            await first.flush(usage)
        assert first.pending.total() == 1
    finally:
        await postgres.close()


def test_a_key_past_its_day_hears_429_and_when_to_come_back(guarded: httpx.Client) -> None:
    with acting(guarded, "acme", "read", quota={"requests": 2}) as client:
        path = "/api/v1/embedders"
        assert [client.get(path).status_code for _ in range(3)] == [200, 200, 429]
        refused = client.get(path)
        assert refused.json()["error"]["code"] == "quota_exceeded"
        assert int(refused.headers["retry-after"]) >= 1


def test_documents_beyond_the_passages_that_one_may_store_are_refused(guarded: httpx.Client) -> None:
    user = {"name": "quim", "role": "user", "quota": {"passages": 2}}
    assert guarded.post("/api/v1/users", json=user).status_code == 201

    def put(client: httpx.Client, *ids: str, text: str = "One line.") -> httpx.Response:
        documents = [{"id": key, "title": key, "text": f"{text} {key}"} for key in ids]
        return client.post("/api/v1/documents", json={"collection": "quimnotes", "documents": documents})

    with acting(guarded, "default", "read", "write", user="quim") as client:
        assert put(client, "a", "b").status_code == 200
        refused = put(client, "c")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "quota_exceeded")
        assert int(refused.headers["retry-after"]) >= 1
        assert put(client, "a", text="Another line.").status_code == 200
        assert client.delete("/api/v1/documents/b", params={"collection": "quimnotes"}).status_code == 200
        assert put(client, "c").status_code == 200
        held = client.get("/api/v1/documents", params={"collection": "quimnotes"}).json()["documents"]
        assert [row["id"] for row in held] == ["a", "c"]
    found = guarded.post("/api/v1/identity", json={"tenant": "default", "user": "quim"}).json()
    assert (found["used"]["passages"], found["quota"]["passages"]) == (2, 2)
