"""Several addresses of one model: a conversation stays with its own, no one gets more than its share."""

import pytest

from servers.pool.upstream.backend import UpstreamRequest
from servers.pool.upstream.replicas import Replica, Replicas, head_of

pytestmark = pytest.mark.pure

URLS = [f"http://e{n}" for n in range(4)]
SYSTEM = {"role": "system", "content": "Eres útil."}


def conversation(number: int, turns: int) -> UpstreamRequest:
    said = [{"role": "user", "content": f"pregunta {number}"}]
    for turn in range(1, turns):
        said += [{"role": "assistant", "content": "sí"}, {"role": "user", "content": f"¿y {turn}?"}]
    return UpstreamRequest("/v1/chat/completions", {"messages": [SYSTEM, *said]}, b"")


def chosen(replicas: Replicas, number: int, turns: int = 1) -> Replica:
    return replicas.choose(0.0, head=head_of(conversation(number, turns)))


def test_every_turn_of_a_conversation_goes_to_the_same_replica_and_conversations_are_spread():
    replicas = Replicas(URLS)
    homes = [chosen(replicas, number) for number in range(200)]
    assert all(chosen(replicas, number, 3) is homes[number] for number in range(200))
    counts = [homes.count(replica) for replica in replicas.all]
    assert min(counts) > 25, counts


def test_one_that_leaves_moves_only_its_own_conversations():
    replicas = Replicas(URLS)
    homes = [chosen(replicas, number) for number in range(100)]
    gone = replicas.all[0]
    for _ in range(3):
        gone.breaker.failed(0.0, "gone")
    for number, home in enumerate(homes):
        now = chosen(replicas, number)
        assert (now is home) == (home is not gone) and now is not gone


def test_nobody_holds_more_than_a_quarter_above_the_mean():
    replicas = Replicas(URLS)
    for _ in range(80):
        chosen(replicas, 7).busy += 1
    assert max(replica.busy for replica in replicas.all) <= 25
    assert min(replica.busy for replica in replicas.all) >= 5


def test_what_has_no_conversation_goes_to_the_least_busy():
    replicas = Replicas(URLS)
    assert head_of(UpstreamRequest("/v1/embeddings", {"input": "x"}, b"")) is None
    for _ in range(8):
        replicas.choose(0.0).busy += 1
    assert [replica.busy for replica in replicas.all] == [2] * 4


def test_who_just_failed_is_asked_last():
    replicas = Replicas(URLS)
    home = chosen(replicas, 1)
    head = head_of(conversation(1, 1))
    assert replicas.choose(0.0, head=head, avoid=home) is not home
