"""A folder of a real WebDAV server: listed folder by folder, read as its user, left alone when it refuses."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from pydantic import SecretStr
from wsgidav.wsgidav_app import WsgiDAVApp

from flows.ingestion.listing import addresses_of, list_sources, refusals
from flows.ingestion.loader import load
from tests.conftest import settings_in
from tools.access.source_address import Credential
from tools.settings import Settings

PASSWORD = "secreta-de-la-nube"


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing is written."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The served folder, and where it is."""
    folder = tmp_path_factory.mktemp("cloud")
    users = {"*": {"ana": {"password": PASSWORD, "description": "", "roles": []}}}
    app = WsgiDAVApp(
        {
            "provider_mapping": {"/dav": str(folder)},
            "simple_dc": {"user_mapping": users},
            "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
            "verbose": 0,
            "logging": {"enable": False},
            "hotfixes": {"re_encode_path_info": True},
        }
    )
    server = make_server("127.0.0.1", 0, cast(Any, app), handler_class=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield folder, f"webdav://ana@127.0.0.1:{server.server_port}/dav"
    server.shutdown()
    server.server_close()
    thread.join(timeout=30)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path, fetch={"allow": ("127.0.0.0/8",), "seconds": 20.0})


def test_files_below_a_folder_are_listed_and_read(cloud: tuple[Path, str], settings: Settings) -> None:
    folder, address = cloud
    (folder / "notas" / "año nuevo").mkdir(parents=True, exist_ok=True)
    (folder / "notas" / "uno.md").write_text("# Uno\n\nEl texto.", encoding="utf-8")
    (folder / "notas" / "año nuevo" / "dos & tres.txt").write_text("Dos.", encoding="utf-8")
    (folder / "notas" / ".oculto.md").write_text("no")
    (folder / "notas" / "voz.mp3").write_bytes(b"\x89PNG")
    (folder / "otra.md").write_text("not below what was named")
    credential = Credential(address, SecretStr(PASSWORD))
    listing = list_sources([f"{address}/notas"], settings, None, credential)
    root = address.replace("webdav://ana@", "http://") + "/notas/"
    names = {f"{root}uno.md", f"{root}a%C3%B1o%20nuevo/dos%20%26%20tres.txt"}
    assert {file.id for file in listing.files} == names
    assert (listing.roots, listing.complete) == ([root], True)
    assert [name.rpartition("/")[2] for name in listing.skipped] == ["voz.mp3"]
    assert all(file.hash and file.size for file in listing.files)
    read = load(listing.files, settings, credential=credential)
    assert {document.title for document in read.documents} == {"Uno", "dos%20%26%20tres"}
    assert {document.origin and document.origin.id for document in read.documents} == names
    assert addresses_of([f"{address}/notas"], settings) == [root]
    assert PASSWORD not in repr((listing, read, credential))


def test_who_is_not_let_in_is_told_so(cloud: tuple[Path, str], settings: Settings) -> None:
    _, address = cloud
    wrong = Credential(address, SecretStr("otra"))
    right = Credential(address, SecretStr(PASSWORD))
    elsewhere = Credential("webdav://ana@127.0.0.1:1", SecretStr(PASSWORD))
    for credential, path, said in (
        (wrong, "", "not let in (401)"),
        (None, "", "there is no password"),
        (elsewhere, "", "there is no password"),
        (right, "/nada", "no such folder or file (404)"),
    ):
        listing = list_sources([f"{address}{path}"], settings, None, credential)
        assert (listing.files, listing.complete) == ([], False)
        assert said in refusals(listing, "en")[0][1]


def test_a_password_does_not_travel_in_clear(settings: Settings) -> None:
    address = "webdav://ana@cloud.example.org/dav"
    listing = list_sources([address], settings, None, Credential(address, SecretStr(PASSWORD)))
    assert "use webdavs://" in refusals(listing, "en")[0][1]
