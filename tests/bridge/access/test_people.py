"""People at the bridge: users, sessions, identities and their ends; nobody gives more than they have."""

import hashlib
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from servers.__main__ import app
from tests.bridge.callers import acting, asked, new_key
from tests.bridge.conftest import PLATFORM, wait_until
from tools.access.identity import SCOPES, Principal, Role, service
from tools.clients.accounts import Accounts
from tools.clients.http import open_http
from tools.errors import NotFound, RateLimited, Unauthorized
from tools.settings import Settings

SECRET = "una frase larga y secreta"


def sha(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def add(platform: httpx.Client, name: str, role: Role = "user", **more: Any) -> None:
    made = platform.post("/api/v1/users", json={"name": name, "role": role, "password": SECRET, **more})
    assert made.status_code == 201, made.text


def sign_in(platform: httpx.Client, name: str, password: str = SECRET) -> httpx.Response:
    return platform.post("/api/v1/sessions", json={"user": name, "password": password, "agent": "Firefox"})


def identity(platform: httpx.Client, **what: str) -> httpx.Response:
    return platform.post("/api/v1/identity", json=what)


@pytest.fixture
def as_person(guarded: httpx.Client, graph: Settings) -> Iterator[Any]:
    """Makes a client that a service of ours would have while it serves somebody."""
    clients: list[httpx.Client] = []

    def make(name: str, role: Role = "user", tenant: str = "default") -> httpx.Client:
        principal = Principal(tenant, name, role, SCOPES[role], "session")
        headers = {"authorization": f"Bearer {graph.signer.sign(principal)}"}
        clients.append(httpx.Client(base_url=guarded.base_url, headers=headers, timeout=60))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def test_a_session_says_who_it_is_until_it_is_ended(guarded: httpx.Client, stores: Settings) -> None:
    add(guarded, "sara")
    opened = sign_in(guarded, "sara")
    assert opened.status_code == 201
    session = opened.json()
    token = session["token"]
    assert len(token) >= 43
    found = identity(guarded, session=sha(token)).json()
    assert (found["tenant"], found["user"], found["role"]) == ("default", "sara", "user")
    assert (found["scopes"], found["key_id"]) == (["read", "write"], "session")
    assert found["expires_at"] == session["expires_at"]
    assert found["limits"] == {"requests_per_minute": 6_000, "concurrency": 64, "body_bytes": None}
    assert found["used"] == {"requests": 0, "tokens": 0, "audio_s": 0.0, "passages": 0}
    with psycopg.connect(stores.postgres_dsn) as connection:
        kept = str(connection.execute("SELECT * FROM capibara6_sessions").fetchall())
        assert token not in kept
        assert sha(token) in kept
        assert SECRET not in str(connection.execute("SELECT * FROM capibara6_users").fetchall())
    assert guarded.delete(f"/api/v1/sessions/{session['id']}").status_code == 200
    assert identity(guarded, session=sha(token)).status_code == 404
    assert guarded.delete(f"/api/v1/sessions/{session['id']}").status_code == 404


def test_a_wrong_password_and_an_unknown_name_sound_alike(guarded: httpx.Client) -> None:
    add(guarded, "noel")
    answers = [sign_in(guarded, "noel", "wrong"), sign_in(guarded, "nobody-here", "wrong")]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].json() == answers[1].json()
    for _ in range(9):
        assert sign_in(guarded, "nobody-here", "x").status_code == 401
    shut = sign_in(guarded, "nobody-here", "x")
    assert (shut.status_code, shut.json()["error"]["code"]) == (429, "too_many_failures")
    assert int(shut.headers["retry-after"]) >= 1
    assert sign_in(guarded, "noel").status_code == 201


def test_who_is_disabled_is_out_at_once(guarded: httpx.Client, bridge: httpx.Client) -> None:
    add(guarded, "dorotea")
    key = new_key(guarded, "default", "read", user="dorotea")
    header, session = ("x-api-key", key["key"]), sign_in(guarded, "dorotea").json()
    assert asked(guarded, header) == 404
    wait_until(lambda: asked(bridge, header) == 404)
    assert guarded.patch("/api/v1/users/dorotea", json={"disabled": True}).json()["disabled"] is True
    assert asked(guarded, header) == 401
    for what in (
        {"session": sha(session["token"])},
        {"key": sha(key["key"])},
        {"tenant": "default", "user": "dorotea"},
    ):
        assert identity(guarded, **what).status_code == 404, what
    assert sign_in(guarded, "dorotea").status_code == 401
    wait_until(lambda: asked(bridge, header) == 401)
    assert guarded.patch("/api/v1/users/dorotea", json={"disabled": False}).status_code == 200
    assert asked(guarded, header) == 404
    assert identity(guarded, session=sha(session["token"])).status_code == 404


def test_a_session_that_has_expired_is_over(guarded: httpx.Client, stores: Settings) -> None:
    add(guarded, "eva")
    session = sign_in(guarded, "eva").json()
    with psycopg.connect(stores.postgres_dsn, autocommit=True) as connection:
        connection.execute("UPDATE capibara6_sessions SET expires_at = now() WHERE id = %s", [session["id"]])
    assert identity(guarded, session=sha(session["token"])).status_code == 404
    assert guarded.get("/api/v1/sessions", params={"user": "eva"}).json()["sessions"] == []


def test_a_key_has_its_users_role_and_no_more(guarded: httpx.Client) -> None:
    add(guarded, "olmo", "operator")
    key = new_key(guarded, "default", "read", "operate", user="olmo")
    found = identity(guarded, key=sha(key["key"])).json()
    assert (found["user"], found["role"], found["scopes"]) == ("olmo", "operator", ["operate", "read"])
    assert found["key_id"] == key["id"]
    refused = guarded.post("/api/v1/keys", json={"scopes": ["admin"], "user": "olmo"})
    assert refused.status_code == 403
    assert guarded.patch("/api/v1/users/olmo", json={"role": "user"}).status_code == 200
    assert identity(guarded, key=sha(key["key"])).json()["scopes"] == ["read"]
    assert guarded.post("/api/v1/keys", json={"scopes": ["read"], "user": "nobody"}).status_code == 404


def test_nobody_gives_what_they_have_not(guarded: httpx.Client) -> None:
    add(guarded, "alba", "admin")
    add(guarded, "tomas")
    with acting(guarded, "default", "admin", user="alba") as narrow:
        for body in ({"name": "x1", "role": "user"}, {"name": "x2", "role": "admin"}):
            assert narrow.post("/api/v1/users", json=body).status_code == 403
        for change in ({"password": SECRET + "!"}, {"role": "admin"}, {"disabled": True}):
            assert narrow.patch("/api/v1/users/tomas", json=change).status_code == 403
        assert narrow.post("/api/v1/keys", json={"scopes": ["read"]}).status_code == 403
        made = narrow.post("/api/v1/keys", json={"scopes": ["admin"]}).json()
        assert made["user"] == "alba"  # what a person makes ends with them
        assert (
            narrow.post("/api/v1/keys", json={"scopes": ["admin"], "quota": {"tokens": 9}}).status_code == 403
        )
    with acting(guarded, "default", "read", "write", "operate", "admin", user="alba") as whole:
        assert whole.patch("/api/v1/users/alba", json={"role": "user"}).status_code == 409
        assert whole.patch("/api/v1/users/alba", json={"disabled": True}).status_code == 409
        assert whole.patch("/api/v1/users/tomas", json={"role": "operator"}).json()["role"] == "operator"
        elsewhere = {"x-capibara6-tenant": "acme"}
        assert whole.get("/api/v1/users", headers=elsewhere).status_code == 403


def test_ones_own_password_is_changed_with_the_old_one(guarded: httpx.Client, as_person: Any) -> None:
    add(guarded, "pia")
    pia, session = as_person("pia"), sign_in(guarded, "pia").json()
    new = {"password": "otra frase larga"}
    assert pia.patch("/api/v1/users/pia", json=new).status_code == 401
    assert pia.patch("/api/v1/users/pia", json={**new, "old_password": "wrong"}).status_code == 401
    assert (
        pia.patch("/api/v1/users/pia", json={**new, "old_password": SECRET, "role": "admin"}).status_code
        == 403
    )
    assert pia.patch("/api/v1/users/noone", json={**new, "old_password": SECRET}).status_code == 403
    assert pia.patch("/api/v1/users/pia", json={**new, "old_password": SECRET}).status_code == 200
    assert identity(guarded, session=sha(session["token"])).status_code == 404
    assert sign_in(guarded, "pia").status_code == 401
    assert sign_in(guarded, "pia", "otra frase larga").status_code == 201


def test_one_sees_and_ends_ones_own_sessions(guarded: httpx.Client, as_person: Any) -> None:
    add(guarded, "rosa")
    add(guarded, "raul")
    mine, theirs = sign_in(guarded, "rosa").json(), sign_in(guarded, "raul").json()
    rosa, admin, foreign = as_person("rosa"), as_person("boss", "admin"), as_person("gil", "admin", "globex")
    assert [row["id"] for row in rosa.get("/api/v1/sessions").json()["sessions"]] == [mine["id"]]
    assert rosa.get("/api/v1/sessions", params={"user": "raul"}).status_code == 403
    for other in (rosa, foreign):
        assert other.delete(f"/api/v1/sessions/{theirs['id']}").status_code == 404
    assert admin.get("/api/v1/sessions", params={"user": "raul"}).json()["sessions"][0]["agent"] == "Firefox"
    assert admin.delete(f"/api/v1/sessions/{theirs['id']}").status_code == 200
    assert rosa.delete(f"/api/v1/sessions/{mine['id']}").status_code == 200


def test_a_provider_vouches_for_its_own_people(guarded: httpx.Client) -> None:
    person = {
        "issuer": "https://id.example.org",
        "subject": "7",
        "user": "ines",
        "role": "user",
        "tenant": "default",
    }

    def enter(**changes: str) -> httpx.Response:
        return guarded.post("/api/v1/sessions", json={"external": {**person, **changes}, "agent": "x"})

    first = enter()
    assert (first.status_code, first.json()["role"]) == (201, "user")
    assert enter(role="operator").json()["role"] == "operator"
    assert enter(user="ines.new").json()["user"] == "ines"  # the subject is who they are
    assert enter(subject="8").status_code == 409
    add(guarded, "ivan")
    assert enter(subject="9", user="ivan").status_code == 409
    assert sign_in(guarded, "ines").status_code == 401
    guarded.patch("/api/v1/users/ines", json={"disabled": True})
    assert enter().status_code == 401
    for wrong in ({"user": "Inés"}, {"user": "a/b"}, {"role": "root"}, {"tenant": "a__b"}):
        assert enter(**wrong).status_code == 400, wrong


def test_only_our_services_ask_who_somebody_is(guarded: httpx.Client, as_person: Any) -> None:
    for client in (as_person("someone", "admin"), as_person("someone", "admin", "globex")):
        assert identity(client, key="0" * 64).status_code == 403
        assert sign_in(client, "sara").status_code == 403
        assert client.post("/api/v1/usage", json={"entries": []}).status_code == 403
    assert as_person("someone").get("/api/v1/me").json() == {
        "tenant": "default", "user": "someone", "role": "user", "scopes": ["read", "write"],
        "key_id": "session", "platform": False,
    }  # fmt: skip


async def test_the_client_speaks_every_verb_of_people(guarded: httpx.Client, graph: Settings) -> None:
    token = graph.signer.sign(service("api"))
    async with open_http(str(guarded.base_url), "bridge", api_key=token) as http:
        bridge = Accounts(http)
        assert (await bridge.me())["platform"] is True
        await bridge.add_user("veronica", password=SECRET, quota={"passages": 5})
        session = await bridge.sign_in("veronica", SECRET, agent="x")
        found = await bridge.identity(session=sha(session["token"]))
        assert found["quota"]["passages"] == 5
        with pytest.raises(Unauthorized):
            await bridge.sign_in("veronica", "wrong")
        with pytest.raises(NotFound):
            await bridge.identity(key="0" * 64)
        assert [row["id"] for row in await bridge.sessions(user="veronica")] == [session["id"]]
        await bridge.end_session(session["id"])
        key = await bridge.create_key(scopes=["read"], user="veronica")
        entry = {"tenant": "default", "user": "veronica", "key_id": key["id"], "model": "phi", "requests": 1}
        await bridge.add_usage([{**entry, "tokens_in": 3, "tokens_out": 4, "audio_s": 1.5}])  # type: ignore[typeddict-item]
        assert (await bridge.identity(key=sha(key.get("key", ""))))["used"]["tokens"] == 7
        totals = {row["name"]: row for row in await bridge.usage(group="user")}
        assert totals["veronica"]["audio_s"] == 1.5
        assert (await bridge.change_user("veronica", disabled=True))["disabled"] is True
        assert "veronica" in {row["name"] for row in await bridge.users()}
        assert isinstance(RateLimited("x").status, int)


def test_the_commands_make_list_and_disable_people(guarded: httpx.Client, graph: Settings) -> None:
    changes = {"api_key": SecretStr(PLATFORM), "rag_url": str(guarded.base_url), "language": "en"}
    environment = graph.model_copy(update=changes).environment() | {"COLUMNS": "200"}

    def run(*words: str, given: str = "") -> str:
        done = CliRunner().invoke(app, words, env=environment, input=given)
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    password = run("users", "add", "lola", "--role", "operator").split()[-1]
    assert sign_in(guarded, "lola", password).status_code == 201
    assert "lola" in run("users", "list")
    assert "Firefox" in run("sessions", "list", "lola")
    run("users", "password", "lola", "--password-stdin", given=SECRET + "\n")
    assert sign_in(guarded, "lola").status_code == 201
    session = run("sessions", "list", "lola").splitlines()[3].split()[1]
    run("sessions", "revoke", session)
    assert "passages=7" in run("users", "quota", "lola", "--passages", "7")
    run("users", "role", "lola", "user")
    token = run("keys", "create", "--user", "lola", "--scope", "read", "--quota-requests", "5").split()[0]
    assert identity(guarded, key=sha(token)).json()["quota"] == {
        "requests": 5, "tokens": None, "audio_s": None, "passages": 7,
    }  # fmt: skip
    guarded.post("/api/v1/collections", json={"name": "shelf9"})
    assert "lola" in run("collections", "share", "shelf9", "--user", "lola", "--write")
    assert "lola" not in run("collections", "share", "shelf9", "--user", "lola", "--remove")
    assert "shelf9" in run("collections", "list")
    assert "Requests" in run("usage", "--group", "user")
    run("users", "disable", "lola")
    assert sign_in(guarded, "lola").status_code == 401
