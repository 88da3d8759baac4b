"""The installation's secrets: made once, private, the same for every process."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools.access.secrets import FILE, planted, read_secrets
from tools.errors import Unavailable

READ = """
import sys
from pathlib import Path
from tools.access.secrets import read_secrets
print(read_secrets(Path(sys.argv[1])).identity)
"""


def test_processes_that_start_together_share_one_set(tmp_path: Path) -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", READ, str(tmp_path)], stdout=subprocess.PIPE)
        for _ in range(6)
    ]
    said = {process.communicate(timeout=60)[0] for process in started}
    assert said == {f"{read_secrets(tmp_path).identity}\n".encode()}
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_nobody_else_may_read_them_and_no_two_are_alike(tmp_path: Path) -> None:
    found = planted(read_secrets(tmp_path))
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert len(set(found)) == len(found)
    assert all(len(secret) == 43 for secret in found)


def test_a_newer_version_adds_its_own_and_keeps_the_rest(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"identity": "kept", "other": "kept too"}')
    assert read_secrets(tmp_path).identity == "kept"
    assert "kept too" in (tmp_path / FILE).read_text()
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_a_home_that_is_a_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(Unavailable, match="secrets") as refused:
        read_secrets(tmp_path / "home")
    assert refused.value.code == "home_unusable"
