"""The whole platform as a new user meets it: started, asked through every door, stopped without a trace."""

import asyncio
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from flows.evaluate import QUESTIONS, read_questions
from servers.local.orphans import INSTANCE_VARIABLE
from servers.local.supervisor import port_owner
from tests.conftest import settings_in
from tools.clients.mcp import open_mcp
from tools.schema import Answer, Citation
from tools.settings import Settings

pytestmark = [pytest.mark.walk, pytest.mark.timeout(1000)]

SPANISH = "¿Cuántos modelos puede tener cargados a la vez el servidor?"
ENGLISH = "How many models can the server have loaded at once?"
HOLDS = {SPANISH: re.compile(r"\btres modelos\b"), ENGLISH: re.compile(r"\bthree models\b")}
ASKED = pytest.mark.parametrize("question", [SPANISH, ENGLISH], ids=["es", "en"])
REPO = Path(__file__).parent.parent


class Platform:
    """One `capibara6 up` in a home of its own."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self.settings = settings
        self.environment = {**os.environ, **settings.environment(), "COLUMNS": "200"}
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [*command("up")], env=self.environment, cwd=REPO, stdout=output, stderr=output
            )

    def wait_open(self, seconds: float = 900.0) -> None:
        end = time.monotonic() + seconds
        while "Ctrl-C" not in self.printed():
            assert self.process.poll() is None, self.printed()
            assert time.monotonic() < end, self.printed()
            time.sleep(0.2)

    def printed(self) -> str:
        return self.log.read_text("utf-8")

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*words),
            env=self.environment,
            cwd=REPO,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    def ask(self, question: str, *options: str) -> dict[str, Any]:
        done = self.run("ask", question, "--json", *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(180)

    def left_behind(self) -> list[str]:
        mine = str(self.settings.home.absolute())
        return [process.name() for process in psutil.process_iter() if marked(process) == mine]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "servers", *words]


def marked(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(INSTANCE_VARIABLE)
    except psutil.Error:
        return None


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("walk")
    running = Platform(settings_in(folder / "home"), folder / "up.log")
    try:
        running.wait_open()
        yield running
    finally:
        running.stop()


def assert_grounded(question: str, answer: str, citations: list[dict[str, Any]]) -> None:
    """The answer says it, marks a source, and the cited passage holds it."""
    assert HOLDS[question].search(answer), answer
    marks = {int(number) for number in re.findall(r"\[(\d+)\]", answer)}
    assert marks, answer
    cited = [citation for citation in citations if citation["n"] in marks]
    assert any(HOLDS[question].search(citation["text"]) for citation in cited), citations


def test_up_answers_its_first_question_and_prints_the_addresses(platform: Platform) -> None:
    printed = platform.printed()
    assert HOLDS[SPANISH].search(printed)
    assert platform.settings.ui_url in printed


@ASKED
def test_the_command_answers_with_citations(platform: Platform, question: str) -> None:
    answer = platform.ask(question)
    assert_grounded(question, answer["answer"], answer["citations"])
    assert answer["model"] == "extractive"
    assert answer["agent"] == "capibara6"
    assert answer["route"]["reasons"]
    assert {"retrieve", "answer", "total"} <= set(answer["timings_ms"])


@ASKED
def test_the_http_stream_answers_with_citations(platform: Platform, question: str) -> None:
    request = {
        "model": "capibara6",
        "stream": True,
        "messages": [{"role": "user", "content": question}],
    }
    url = f"{platform.settings.api_url}/v1/chat/completions"
    with httpx.stream("POST", url, json=request, timeout=30) as response:
        lines = [line[6:] for line in response.iter_lines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    chunks = [json.loads(line) for line in lines[:-1]]
    text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    done = next(chunk["capibara6"] for chunk in chunks if chunk.get("capibara6", {}).get("event") == "done")
    assert done["answer"]["answer"] == text
    assert_grounded(question, text, done["answer"]["citations"])


@ASKED
async def test_an_mcp_client_gets_the_same_answer(platform: Platform, question: str) -> None:
    async with asyncio.timeout(60), open_mcp(platform.settings.mcp_url) as client:
        names = {tool.name for tool in await client.tools()}
        result = await client.call("ask_agent", question=question)
    assert {"search_knowledge", "ask_agent"} <= names
    found = result.structured_content
    assert found is not None, result.content
    assert_grounded(question, found["answer"], found["citations"])


def test_the_platform_answers_about_itself_from_its_own_pages(platform: Platform) -> None:
    """The nightly questions: what is said is right, and stands in the page that is cited."""
    wrong, asked = [], read_questions(QUESTIONS)["retrieval"]
    with httpx.Client(base_url=platform.settings.api_url, timeout=60) as client:
        for item in asked:
            body = {"model": "capibara6", "messages": [{"role": "user", "content": item.question}]}
            message = client.post("/v1/chat/completions", json=body).json()["choices"][0]["message"]
            answer = Answer.model_construct(
                answer=message["content"], citations=[Citation(**cited) for cited in message["citations"]]
            )
            if not item.answered_by(answer):
                wrong.append(f"{item.question}: {answer.answer}")
    assert len(asked) - len(wrong) >= 40, wrong


@pytest.mark.browser
@ASKED
def test_a_person_chats_in_the_browser(platform: Platform, question: str) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium on this machine: install Debian's chromium to run the browser tests")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        page = chromium.new_page(locale="es-ES")
        page.goto(platform.settings.ui_url)
        page.locator("textarea").first.fill(question)
        page.locator("textarea").first.press("Enter")
        page.get_by_text(HOLDS[question]).first.wait_for(timeout=30_000)
        chromium.close()


def test_an_ingestion_run_makes_a_new_document_answerable(platform: Platform, tmp_path: Path) -> None:
    (tmp_path / "capibaras.md").write_text(
        "# El capibara Ramón\n\nEl capibara Ramón vive en la laguna de Gallocanta desde 2019.\n", "utf-8"
    )
    (tmp_path / "vacio.md").write_text("", "utf-8")
    done = platform.run("ingest", str(tmp_path))
    assert "vacio.md" in done.stdout + done.stderr
    answer = platform.ask("¿En qué laguna vive el capibara Ramón?")
    assert "Gallocanta" in answer["answer"]
    assert "capibaras" in answer["citations"][0]["source"]
    user, _, password = str(platform.settings.prefect_auth).partition(":")
    url = f"{platform.settings.prefect_url}/flow_runs/filter"
    runs = httpx.post(url, json={}, timeout=60, auth=(user, password)).json()
    assert len([run for run in runs if run["state_type"] == "COMPLETED"]) >= 2


def test_the_answer_can_be_heard(platform: Platform, tmp_path: Path) -> None:
    target = tmp_path / "respuesta.wav"
    platform.ask(SPANISH, "--speak", str(target))
    with wave.open(io.BytesIO(target.read_bytes())) as sound:
        frames = memoryview(sound.readframes(sound.getnframes())).cast("h")
        seconds = sound.getnframes() / sound.getframerate()
    assert seconds > 1
    loudness = (sum(sample * sample for sample in frames) / len(frames)) ** 0.5
    assert loudness > 500, "speech of 16 bits is louder than this"


def test_what_the_knowledge_does_not_hold_is_not_invented(platform: Platform) -> None:
    answer = platform.ask("¿Quién ganó la Copa del Mundo de fútbol de 1930?")
    assert answer["citations"] == []
    assert "Uruguay" not in answer["answer"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"model": "capibara6", "messages": [{"role": "user", "content": "  "}]}, 400, "empty_question"),
        (
            {"model": "capibara6", "messages": [{"role": "user", "content": "a " * 50_000}]},
            413,
            "question_too_long",
        ),
        ({"model": "nadie", "messages": [{"role": "user", "content": "hola"}]}, 404, "model_not_found"),
        ("{not json", 400, None),
    ],
    ids=["empty", "too long", "unknown model", "malformed"],
)
def test_bad_input_gets_an_error_in_the_apis_shape(
    platform: Platform, body: Any, status: int, code: str | None
) -> None:
    content = body if isinstance(body, str) else json.dumps(body)
    headers = {"content-type": "application/json"}
    response = httpx.post(
        f"{platform.settings.api_url}/v1/chat/completions", content=content, headers=headers, timeout=30
    )
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "code", "param", "source"}
    assert code is None or error["code"] == code
    assert response.headers["x-request-id"]


def test_an_empty_question_is_refused_by_the_command_in_spanish(platform: Platform) -> None:
    done = platform.run("ask", "   ")
    assert done.returncode == 1
    assert "vacía" in done.stderr


def test_doctor_finds_everything_running(platform: Platform) -> None:
    done = platform.run("doctor", "--json")
    findings = {finding["part"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert all(
        findings[name]["ok"] for name in ("postgres", "milvus", "graph", "pool", "bridge", "api", "ui")
    )


def test_a_service_that_can_not_start_is_named_with_its_log_and_the_others_stop(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "home", pool={"catalog": tmp_path / "no-such-models.toml"})
    failing = Platform(settings, tmp_path / "up.log")
    assert failing.process.wait(600) == 1
    assert "pool" in failing.printed()
    assert "no-such-models.toml" in failing.printed()
    assert failing.left_behind() == []


def test_a_second_up_is_told_who_runs(platform: Platform) -> None:
    done = platform.run("up")
    assert done.returncode == 1
    assert str(platform.process.pid) in done.stdout + done.stderr


def test_stop_leaves_nothing_and_the_next_start_still_knows(platform: Platform) -> None:
    assert platform.stop() == 0, platform.printed()
    assert platform.left_behind() == []
    assert [port for port in platform.settings.ports.model_dump().values() if port_owner(port)] == []
    again = Platform(platform.settings, platform.log.with_name("again.log"))
    try:
        again.wait_open()
        assert "Gallocanta" in again.ask("¿En qué laguna vive el capibara Ramón?")["answer"]
    finally:
        assert again.stop() == 0
    assert again.left_behind() == []
