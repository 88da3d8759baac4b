"""The licence of every distribution in an environment, and which of them NOTICE has to name.

`python -m tests.licences` lists this environment; it reads what each distribution says of itself, and judges
by names of licences, not by their texts.
"""

import re
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import NamedTuple

REPO = Path(__file__).parent.parent
RUNTIME, TOOLS = "requirements.lock", "requirements-dev.lock"

PERMISSIVE = frozenset(
    """
    mit mit-0 mit-cmu bsd bsd-2-clause bsd-3-clause 0bsd apache-2.0 isc psf-2.0 cnri-python zlib unlicense
    cc0-1.0
    """.split()
)
# How distributions that do not use SPDX's names say the same.
ALIASES = {
    "mit license": "mit",
    "bsd license": "bsd",
    "3-clause bsd license": "bsd-3-clause",
    "bsd-derived (http://www.repoze.org/license.txt)": "bsd-3-clause",
    "apache software license": "apache-2.0",
    "apache license, version 2.0": "apache-2.0",
    "apache 2.0": "apache-2.0",
    "isc license": "isc",
    "python software foundation license": "psf-2.0",
    "mit license, apache license, version 2.0": "mit and apache-2.0",
}


INNERMOST = re.compile(r"\(([^()]*)\)")


class Licence(NamedTuple):
    """A distribution, in the registry's spelling of its name, and the licence it states; "" for none."""

    name: str
    stated: str

    @property
    def permissive(self) -> bool:
        """Whether every part of it may be used under a licence that asks for no more than to be named."""
        stated = self.stated.lower()
        stated = ALIASES.get(stated, stated)
        while bracketed := INNERMOST.search(stated):
            verdict = "mit" if _free(bracketed[1]) else "restricted"
            stated = stated[: bracketed.start()] + verdict + stated[bracketed.end() :]
        return _free(stated)


def licences(found: Iterable[Distribution]) -> dict[str, Licence]:
    """By name. The licence is the SPDX expression, else the classifiers, else the first line of the field."""
    named = ((canonical(one.metadata["Name"]), one) for one in found)
    return {name: Licence(name, _stated(one)) for name, one in sorted(named, key=lambda pair: pair[0])}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(lock: str) -> frozenset[str]:
    """The names in a lock file of this repository."""
    lines = (REPO / lock).read_text("utf-8").splitlines()
    return frozenset(
        canonical(line.partition("==")[0].partition("[")[0]) for line in lines if "==" in line[:80]
    )


def noticed(lock: str) -> frozenset[str]:
    """The distributions that NOTICE names under the heading of a lock file: `* name, name (licence): …`."""
    _, _, rest = (REPO / "NOTICE").read_text("utf-8").partition(f"({lock})\n")
    section = re.split(r"^#", rest, maxsplit=1, flags=re.MULTILINE)[0]
    entries = re.findall(r"^\* ([a-z0-9, -]+) \(", section, re.MULTILINE)
    return frozenset(name for entry in entries for name in entry.split(", "))


def main() -> int:
    """Print a line a distribution; the status is 1 when NOTICE does not name what is not permissive."""
    held = licences(distributions())
    runtime = locked(RUNTIME)
    named = noticed(RUNTIME) | noticed(TOOLS)
    for one in held.values():
        place = "runtime" if one.name in runtime else "tool"
        state = "" if one.permissive else "not permissive" if one.name in named else "NOT IN NOTICE"
        print(f"{one.name:34} {place:8} {state:15} {one.stated or 'not stated'}")
    unnamed = [one.name for one in held.values() if not one.permissive and one.name not in named]
    print(f"{len(held)} distributions; not permissive and not in NOTICE: {', '.join(unnamed) or 'none'}")
    return int(bool(unnamed))


def _stated(one: Distribution) -> str:
    if expression := one.metadata["License-Expression"]:
        return expression
    said = [line.split(" :: ") for line in one.metadata.get_all("Classifier") or ()]
    # "OSI Approved" and "DFSG approved" alone name no licence.
    if classified := [line[-1] for line in said if line[0] == "License" and not line[-1].endswith("pproved")]:
        return " AND ".join(line.partition(" (")[0] for line in classified)
    return (one.metadata["License"] or "").strip().partition("\n")[0]


def _free(stated: str) -> bool:
    """Of an expression without brackets; AND binds tighter than OR."""
    return any(
        all(ALIASES.get(name.strip(), name.strip()) in PERMISSIVE for name in option.split(" and "))
        for option in stated.split(" or ")
    )


if __name__ == "__main__":
    sys.exit(main())
