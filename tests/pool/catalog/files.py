"""Small model files as the field writes them, and a server that answers what it is given."""

import json
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
}
TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}"
TOOLS = TEMPLATE + "{% if tools %}<tool_call>{% endif %}"


def write_folder(
    folder: Path, config: dict[str, Any] | None = None, *, template: str | None = TEMPLATE
) -> Path:
    """Weights of 6,000 numbers, a configuration and a chat template."""
    folder.mkdir(parents=True)
    save_file({"a": np.zeros((60, 50), "f4"), "b": np.zeros(3000, "f2")}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({**LLAMA, **(config or {})}))
    told = {"chat_template": template} if template else {}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    return folder


def write_gguf(file: Path, values: dict[str, str | int | float | bool | list[str]]) -> Path:
    """A GGUF file of one tensor of 4 x 6 float32, with `values` as its metadata."""
    body = b"GGUF" + struct.pack("<IQQ", 3, 1, len(values))
    for name, value in values.items():
        body += _text(name) + _value(value)
    body += _text("token_embd.weight") + struct.pack("<IQQIQ", 2, 4, 6, 0, 0)
    file.write_bytes(body + b"\0" * 160)
    return file


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _value(value: object) -> bytes:
    match value:
        case bool():
            return struct.pack("<I?", 7, value)
        case str():
            return struct.pack("<I", 8) + _text(value)
        case int():
            return struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)
        case list():
            return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(_text(str(one)) for one in value)
    raise TypeError(value)


@contextmanager
def answering(answers: dict[str, Any], *, key: str | None = None) -> Iterator[str]:
    """The address of a server that answers each path with its JSON (or bytes), others with 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            path = self.path.partition("?")[0]
            status = 200 if path in answers else 404
            if key and self.headers.get("authorization") != f"Bearer {key}":
                status = 401
            told = answers.get(path, {})
            body = told if isinstance(told, bytes) else json.dumps(told).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            if "/resolve/" in path:
                self.send_header("etag", f'"{len(body)}"')
                self.send_header("x-repo-commit", "c" * 40)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_POST = do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
