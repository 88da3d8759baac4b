"""Settings that do not depend on where somebody stands."""

from pathlib import Path

import pytest

from tools.settings import load_settings

pytestmark = pytest.mark.pure


def test_the_sample_documents_are_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sorted(folder.name for folder in load_settings().knowledge.iterdir()) == ["en", "es"]
