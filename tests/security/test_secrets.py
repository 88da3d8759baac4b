"""Planted secrets (fault 59): whatever is asked of the platform, none is written where others read."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from pydantic import SecretStr

from servers.local.embedded_stores import open_stores
from tests.conftest import settings_in
from tests.test_walk import Platform
from tools.sections import S3, Access, Agents, Alerts, Oidc, Webhooks
from tools.settings import Settings

pytestmark = [pytest.mark.walk, pytest.mark.timeout(1_800)]

NAMES = ("key", "dsn", "s3", "smtp", "alerts", "webhook", "seal", "signing", "client", "token", "hook")
PLANTED = {name: f"canary-{name}-7c2e91af" for name in NAMES}
HOLDERS = {"secrets", "redis.conf"}
"""Private files whose business it is to hold secrets."""
SERVICES = ("bridge", "pool", "api", "speech", "mcp", "ui")


def planted_in(home: Path) -> Settings:
    """Settings with a canary in every secret; PostgreSQL trusts whoever reaches its socket."""
    bare = settings_in(home)
    dsn = bare.postgres_dsn.replace("postgres@", f"postgres:{PLANTED['dsn']}@")
    stores = {"postgres_dsn": SecretStr(dsn), "milvus_token": SecretStr(PLANTED["token"])}
    changes = {
        "api_key": SecretStr(PLANTED["key"]),
        "stores": bare.stores.model_copy(update=stores),
        "s3": S3(endpoint="127.0.0.1:9", access_key="id", secret_key=SecretStr(PLANTED["s3"])),
        "alerts": Alerts(
            smtp=SecretStr(f"smtp://user:{PLANTED['smtp']}@127.0.0.1:9"),
            webhook=f"http://user:{PLANTED['hook']}@127.0.0.1:9/hook",
            secret=SecretStr(PLANTED["alerts"]),
            to=("operator@example.org",),
        ),
        "webhooks": Webhooks(secret=SecretStr(PLANTED["webhook"])),
        "agents": Agents(seal=SecretStr(PLANTED["seal"])),
        "access": Access(secret=SecretStr(PLANTED["signing"])),
        "oidc": Oidc(client_secret=SecretStr(PLANTED["client"])),
    }
    return bare.model_copy(update=changes)


class Written:
    """What the platform wrote while it was asked, by where it was found."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.answers = settings, list[tuple[str, str]]()
        self.secrets = {**PLANTED, **{f"own {key}": value for key, value in asdict(settings.secrets).items()}}

    def ask(self, method: str, url: str, *, key: bool = True, **request: Any) -> None:
        headers = {"authorization": f"Bearer {PLANTED['key']}"} if key else {}
        answer = httpx.request(method, url, headers=headers, timeout=60, trust_env=False, **request)
        shown = json.dumps(dict(answer.headers))
        self.answers.append((f"{method} {url} {answer.status_code}", answer.text + shown))

    def leaks(self) -> list[str]:
        """`what in where`, for each secret that stands in an answer or in a file of the home."""
        found = [f"{name} in {where}" for where, text in self.answers for name in self._within(text.encode())]
        for path in sorted(self.settings.home.rglob("*")):
            if path.is_file() and not path.is_symlink() and not _may_hold(path):
                where = path.relative_to(self.settings.home)
                found += [f"{name} in {where}" for name in self._within(path.read_bytes())]
        return found

    def _within(self, data: bytes) -> list[str]:
        return [name for name, secret in self.secrets.items() if secret.encode() in data]


def _may_hold(path: Path) -> bool:
    """Private files; Prefect's worker hands a run its environment in one that goes away with the run."""
    run = path.parent.name.startswith("prefect-workspace-attempt-") and path.name == "workspace.json"
    return path.name in HOLDERS or (run and not path.parent.stat().st_mode & 0o077)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("secrets")
    knowledge = folder / "knowledge"
    knowledge.mkdir()
    (knowledge / "page.md").write_text("# A page\n\nThe capybara swims in the river.\n")
    settings = planted_in(folder / "home").model_copy(update={"knowledge": knowledge})
    with open_stores(settings, "postgres"):
        running = Platform(settings, folder / "up.log")
        try:
            running.wait_open(600.0)
            yield running
        finally:
            running.stop()


@pytest.fixture(scope="module")
def written(platform: Platform) -> Written:
    """After requests and flow runs that go well, that are wrong, and that fail for want of a store."""
    written, settings = Written(platform.settings), platform.settings
    doors = {name: getattr(settings, f"{name}_url").removesuffix("/mcp") for name in SERVICES}
    _ask_services(written, doors, keys=(True, False))
    for words in (
        ["ask", "Where does the capybara swim?"],
        ["doctor"],
        ["flows", "run", "health", "--wait"],
        ["flows", "run", "alert_test", "--wait"],
        ["flows", "run", "ingest", "--wait", "--parameters", '{"sources": ["s3://bucket/x", "/nowhere"]}'],
        ["flows", "run", "ingest", "--parameters", '{"sources": 7}'],
        ["flows", "run", "backup", "--wait"],
        ["keys", "list"],
    ):
        done = platform.run(*words)
        written.answers.append((" ".join(words), done.stdout + done.stderr))
    _stop_postgres(settings)
    _ask_services(written, doors, keys=(True,))
    done = platform.run("flows", "run", "backup", "--wait", "--timeout", "20")
    written.answers.append(("a backup without its store", done.stdout + done.stderr))
    _read_prefect(written)
    written.answers.append(("capibara6 up", platform.printed()))
    return written


def _ask_services(written: Written, doors: dict[str, str], *, keys: Sequence[bool]) -> None:
    question = {"model": "capibara6", "messages": [{"role": "user", "content": "How many models?"}]}
    for url in doors.values():
        for path in ("/health", "/metrics", "/nothing", "/docs", "/openapi.json"):
            written.ask("GET", url + path)
            written.ask("GET", url + path, key=False)
    for key in keys:
        written.ask("POST", doors["api"] + "/v1/chat/completions", json=question, key=key)
        written.ask("POST", doors["api"] + "/v1/chat/completions", content="{", key=key)
        written.ask("POST", doors["api"] + "/webhook/health", json={}, key=key)
        written.ask(
            "POST", doors["pool"] + "/v1/chat/completions", json={**question, "model": "auto"}, key=key
        )
        written.ask("POST", doors["speech"] + "/tts", json={"text": "hola"}, key=key)
        written.ask("GET", doors["bridge"] + "/health/detailed", key=key)
        for query in ("SELECT 1", "SELECT nothing", "SELECT pg_sleep(1)", f"SELECT '{'x' * 10}"):
            written.ask("POST", doors["bridge"] + "/api/v1/postgres/query", json={"query": query}, key=key)
        body = {"query": "models", "collection": "capibara6"}
        written.ask("POST", doors["bridge"] + "/api/v1/rag/hybrid-search", json=body, key=key)


def _stop_postgres(settings: Settings) -> None:
    data = str(settings.home.absolute() / "postgres")
    servers = [
        process for process in psutil.process_iter(["cmdline"]) if data in (process.info["cmdline"] or ())
    ]
    assert servers
    for server in servers:
        server.kill()
    psutil.wait_procs(servers, 30)


def _read_prefect(written: Written) -> None:
    """Everything that somebody sees of the runs: parameters, variables, logs, artifacts."""
    settings = written.settings
    user, _, password = str(settings.prefect_auth).partition(":")
    with httpx.Client(
        base_url=settings.prefect_url, auth=(user, password), trust_env=False, timeout=60
    ) as prefect:
        for path in ("/flow_runs/filter", "/logs/filter", "/artifacts/filter", "/deployments/filter"):
            written.answers.append((path, prefect.post(path, json={"limit": 200}).text))
        for path in ("/work_pools/filter", "/block_documents/filter", "/variables/filter"):
            written.answers.append((path, prefect.post(path, json={}).text))
        written.answers.append(("/admin/settings", prefect.get("/admin/settings").text))
        assert "Finished in state" in dict(written.answers)["/logs/filter"]


def test_no_planted_secret_is_written_anywhere(written: Written) -> None:
    assert written.leaks() == []


def test_the_search_itself_finds_a_secret_that_is_written(written: Written) -> None:
    written.answers.append(("here", f"x{PLANTED['smtp']}y"))
    assert "smtp in here" in written.leaks()
    written.answers.pop()


def test_what_was_asked_went_well_and_ill(written: Written) -> None:
    ends = {where.rpartition(" ")[2] for where, _ in written.answers if " http" in where}
    assert {"200", "401", "404"} <= ends
    assert any(end.startswith("5") for end in ends), ends


def test_no_secret_is_on_a_command_line(platform: Platform, written: Written) -> None:
    lines = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert any(str(platform.settings.home) in line for line in lines)
    assert [name for name, secret in written.secrets.items() for line in lines if secret in line] == []


def test_a_backup_holds_neither_secrets_nor_sockets(platform: Platform, written: Written) -> None:
    folder = platform.settings.home / "backups"
    names = {str(path.relative_to(folder)).partition("/")[2] for path in folder.rglob("*") if path.is_file()}
    assert {"manifest.json", "settings.json", "postgres.dump"} <= names
    assert not any("secrets" in name or name.startswith("files/run/") for name in names)
