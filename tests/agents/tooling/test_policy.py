import pytest

from agents.tooling.policy import Taint, decide, granted
from tools.registry import Tool

pytestmark = pytest.mark.pure


async def read() -> None:
    """Read."""


READ, PRIVATE = Tool(read, untrusted=True), Tool(read, private=True)
WRITE, OUTWARD = Tool(read, effect="write"), Tool(read, effect="outward")
CLEAN, BOTH = Taint(), Taint(private=True, untrusted=True)


@pytest.mark.parametrize(
    ("tool", "grants", "taint", "confirmed", "kind"),
    [
        (READ, {"read"}, CLEAN, False, "allow"),
        (READ, set(), CLEAN, True, "refuse"),
        (None, {"read"}, CLEAN, True, "refuse"),
        (WRITE, {"read"}, CLEAN, False, "ask"),
        (WRITE, {"read"}, BOTH, True, "allow"),
        (OUTWARD, {"read"}, CLEAN, False, "ask"),
        (OUTWARD, {"read"}, Taint(private=True), True, "allow"),
        (OUTWARD, {"read"}, Taint(untrusted=True), True, "allow"),
        (OUTWARD, {"read"}, BOTH, True, "refuse"),
    ],
)
def test_calls_are_decided_from_facts_alone(tool, grants, taint, confirmed, kind) -> None:
    assert decide("read", tool, grants=grants, taint=taint, confirmed=confirmed).kind == kind


def test_key_and_task_must_both_grant() -> None:
    assert granted(("a", "b"), ("b", "c"), ("a",)) == {"b"}
    assert granted(("a", "b"), None, ("a", "z")) == {"a"}
    assert granted(("a", "b"), (), ("a",)) == frozenset()


def test_taint_only_grows() -> None:
    assert CLEAN.after(READ).after(PRIVATE).after(WRITE) == BOTH
