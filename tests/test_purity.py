"""A test that says it starts nothing is held to it."""

import socket
import subprocess
import sys

import pytest

pytestmark = pytest.mark.pure


def test_a_pure_test_cannot_start_a_process() -> None:
    with pytest.raises(AssertionError, match="subprocess"):
        subprocess.run([sys.executable, "-c", ""], check=True)


def test_a_pure_test_cannot_connect() -> None:
    with socket.socket() as asked, pytest.raises(AssertionError, match="connect"):
        asked.connect(("127.0.0.1", 9))


def test_a_pure_test_cannot_listen() -> None:
    with socket.socket() as listening, pytest.raises(AssertionError, match="bind"):
        listening.bind(("127.0.0.1", 0))
