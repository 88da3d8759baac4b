"""No path of the page without a session, none that it does not need, and nobody else's Gradio session."""

import httpx
import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVERYTHING = [
    ("GET", "/"),
    ("GET", "/?deep_link=a"),
    ("GET", "/config"),
    ("GET", "/config/"),
    ("GET", "/sessions"),
    ("GET", "/logo.svg"),
    ("GET", "/conversations/find?text=a"),
    ("GET", "/conversations/export/a.md"),
    ("POST", "/knowledge/documents"),
    ("GET", "/metrics"),
    ("GET", "/theme.css"),
    ("GET", "/assets/index.js"),
    ("GET", "/static/js/iframeResizer.contentWindow.min.js"),
    ("GET", "/favicon.ico"),
    ("GET", "/manifest.json"),
    ("GET", "/monitoring"),
    ("GET", "/file=/etc/passwd"),
    ("GET", "/gradio_api/file=/etc/passwd"),
    ("GET", "/gradio_api/info"),
    ("GET", "/gradio_api/app_id"),
    ("GET", "/gradio_api/user"),
    ("GET", "/gradio_api/token"),
    ("GET", "/gradio_api/login_check"),
    ("GET", "/gradio_api/startup-events"),
    ("GET", "/gradio_api/theme.css"),
    ("GET", "/gradio_api/heartbeat/abc"),
    ("GET", "/gradio_api/queue/data?session_hash=abc"),
    ("GET", "/gradio_api/queue/status"),
    ("GET", "/gradio_api/upload_progress?upload_id=1"),
    ("GET", "/gradio_api/stream/a/1/2/playlist.m3u8"),
    ("GET", "/gradio_api/proxy=http://127.0.0.1/"),
    ("POST", "/gradio_api/queue/join"),
    ("POST", "/gradio_api/cancel"),
    ("POST", "/gradio_api/reset"),
    ("POST", "/gradio_api/upload"),
    ("POST", "/gradio_api/run/ask"),
    ("POST", "/gradio_api/call/ask"),
    ("POST", "/gradio_api/vibe-edit"),
    ("POST", "/gradio_api/process_recording"),
    ("POST", "/logout"),
    ("GET", "/logout"),
    ("GET", "/api/session"),
    ("GET", "/api/sessions"),
    ("DELETE", "/api/sessions/abc"),
    ("GET", "/login/"),
    ("GET", "/Login"),
    ("GET", "//login"),
    ("GET", "/login/../config"),
    ("GET", "/login%2f"),
    ("GET", "/health/live/"),
    ("GET", "/docs"),
    ("GET", "/openapi.json"),
]


@pytest.mark.parametrize(("method", "path"), EVERYTHING)
async def test_no_path_of_the_page_opens_without_a_session(here, method, path):
    async with here.browser() as visitor:
        body = {"json": {"session_hash": "abc"}} if method == "POST" else {}
        answer = await visitor.request(method, httpx.URL(here.url + path), **body)
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "authentication_error"
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_paths_that_the_page_does_not_need_are_not_there_for_anybody(here):
    async with (
        here.signed_in("ana") as ana,
    ):
        paths = [
            path for _, path in EVERYTHING if any(part in path for part in ("file=", "proxy=", "stream/"))
        ]
        paths += [
            "/assets/../../main.py",
            "/assets/%2e%2e/%2e%2e/main.py",
            "/static//etc/passwd",
            "/gradio_api/user",
        ]
        paths += [
            "/?deep_link=..%2f..%2fsecrets",
            "/gradio_api/file=..%2f..%2fsecrets",
            "/monitoring",
            "/dev/reload",
        ]
        for path in paths:
            assert (await ana.get(httpx.URL(here.url + path))).status_code in (400, 404), path
        upload = await ana.post("/gradio_api/upload", files={"files": ("a.txt", b"mine")})
        assert upload.status_code in (404, 415)
        for path in ("/gradio_api/run/ask", "/gradio_api/call/ask", "/gradio_api/vibe-edit"):
            assert (await ana.post(path, json={"data": []})).status_code == 404


async def test_a_gradio_session_belongs_to_whoever_used_it_first(here):
    async with (
        here.signed_in("ana") as ana,
        here.signed_in("berto") as berto,
    ):
        config = (await ana.get("/config")).json()
        clear = next(entry["id"] for entry in config["dependencies"] if entry["api_name"] == "clear")
        join = {"session_hash": "anas", "fn_index": clear, "data": []}
        assert (await ana.post("/gradio_api/queue/join", json=join)).status_code == 200
        assert (await berto.post("/gradio_api/queue/join", json=join)).status_code == 404
        cancel = {"session_hash": "anas", "fn_index": clear, "event_id": "x"}
        assert (await berto.post("/gradio_api/cancel", json=cancel)).status_code == 404
        for path in ("/gradio_api/queue/data?session_hash=anas", "/gradio_api/heartbeat/anas"):
            assert (await berto.get(path)).status_code == 404
        for path in (
            "/gradio_api/queue/data",
            "/gradio_api/queue/data?session_hash=berts&session_hash=anas",
            "/gradio_api/heartbeat/",
            "/gradio_api/heartbeat/a/b",
        ):
            assert (await berto.get(path)).status_code == 400
        async with ana.stream("GET", "/gradio_api/queue/data?session_hash=anas") as answer:
            assert answer.status_code == 200
