"""The table in CONTRIBUTING.md of what we stand on: one `Row` a line, each with the test that ends it."""

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

REPO = Path(__file__).parents[2]
HEADING = "## Standing on others' internals"


@dataclass(frozen=True)
class Row:
    """`test` names the function that fails once the row is not needed any more."""

    what: str
    why: str
    reference: str
    until: str

    @property
    def libraries(self) -> list[str]:
        return re.findall(r"\*\*([\w.-]+)\*\*", self.what)

    @property
    def test(self) -> str:
        named = re.findall(r"`(test_\w+)`", self.until)
        assert len(named) == 1, f"one test a row: {self.until}"
        return named[0]

    @property
    def gone(self) -> str:
        """What to read when the test fails."""
        return (
            f"upstream has changed. {self.until} In CONTRIBUTING.md this row goes with it: {self.what} "
            "When the test only lost sight of the fault, mend the test."
        )


def read_rows() -> list[Row]:
    section = (REPO / "CONTRIBUTING.md").read_text("utf-8").partition(f"{HEADING}\n")[2].partition("\n## ")[0]
    lines = [line.strip().strip("|") for line in section.splitlines() if line.startswith("|")]
    return [Row(*(cell.strip() for cell in line.split(" | "))) for line in lines[2:]]


def installed(package: str) -> Path:
    """Where a library lies, without importing it."""
    spec = find_spec(package)
    assert spec is not None and spec.origin is not None, package
    return Path(spec.origin).parent
