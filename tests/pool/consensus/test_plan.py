from typing import Any

import pytest

from servers.pool.catalog.catalog import Catalog, ModelSpec, load_catalog
from servers.pool.catalog.consensus_options import ConsensusConfig, ConsensusOptions
from servers.pool.consensus.plan import Plan, plan
from servers.pool.routing.needs import Need, Needs
from servers.pool.routing.policy import PoolState
from tools.errors import BadRequest, ModelNotFound

pytestmark = pytest.mark.pure

CHEAP = ("phi4_fast", "mistral_balanced", "qwen_coder")
BIG = "gptoss_complex"
BUILT_IN = load_catalog()
OPEN = BUILT_IN.model_copy(update={"consensus": ConsensusConfig()})
ALL = frozenset((*CHEAP, BIG))


def make_plan(
    loaded: set[str],
    *,
    catalog: Catalog = OPEN,
    slots: int = 3,
    available: frozenset[str] = ALL,
    answer_s: dict[str, float] | None = None,
    **options: Any,
) -> Plan:
    state = PoolState(available, frozenset(loaded))
    chosen = ConsensusOptions(**{"load": True, **options})
    return plan(catalog, state, chosen, domain="general", slots=slots, answer_s=answer_s)


def test_loaded_members_are_asked_together_and_the_expert_takes_the_one_swap() -> None:
    made = make_plan(set(CHEAP))
    assert made.waves == (CHEAP,)
    assert made.final_model == BIG


def test_loaded_expert_leaves_the_swap_to_one_member() -> None:
    made = make_plan({"phi4_fast", BIG}, slots=2)
    assert made.waves == (("phi4_fast",), ("mistral_balanced",))
    assert dict(made.left_out) == {"qwen_coder": "not loaded, and one swap a question is the most"}


@pytest.mark.parametrize(
    "loaded", [set(), {"phi4_fast"}, {BIG}, {"phi4_fast", BIG}, set(CHEAP), {"qwen_coder", BIG}]
)
@pytest.mark.parametrize("slots", [1, 2, 3])
@pytest.mark.parametrize("strategy", ["cascade", "vote", "best_of", "synthesize"])
def test_never_more_than_one_model_is_pushed_out(loaded: set[str], slots: int, strategy: Any) -> None:
    loaded = set(sorted(loaded)[:slots])
    made = make_plan(loaded, slots=slots, strategy=strategy)
    cold = {*made.members, *([made.final_model] if made.final_model else [])} - loaded
    assert max(0, len(loaded) + len(cold) - slots) <= max(1, 0 if loaded else len(cold) - slots + 1)
    assert len(cold) <= slots - len(loaded) + 1


def test_members_for_which_there_is_no_slot_are_asked_in_turn() -> None:
    made = make_plan({BIG}, slots=2)
    assert made.waves == (("phi4_fast",), ("mistral_balanced",))


def test_remote_models_cost_no_slot() -> None:
    remote = {
        name: ModelSpec(id=name, backend="openai", urls=("http://127.0.0.1:9",), domain="general")
        for name in "abc"
    }
    made = plan(
        Catalog(models=remote),
        PoolState(frozenset("abc"), frozenset("abc")),
        ConsensusOptions(),
        domain="coding",
        slots=1,
    )
    assert len(made.waves) == 1
    assert made.template == "coding"


def test_absent_member_is_left_out_by_name() -> None:
    made = make_plan(set(CHEAP), available=ALL - {"mistral_balanced"})
    assert "mistral_balanced" not in made.members
    assert ("mistral_balanced", "not available") in made.left_out


def test_absent_expert_is_replaced_by_the_strongest_there_is() -> None:
    assert make_plan(set(CHEAP), available=frozenset(CHEAP)).final_model in ("mistral_balanced", "qwen_coder")


def test_catalogue_names_the_pair_whose_agreement_is_most_reliable() -> None:
    assert make_plan(set(CHEAP), catalog=BUILT_IN).members == ("phi4_fast", "qwen_coder")


def test_request_chooses_within_the_budget_and_not_beyond() -> None:
    table = ConsensusConfig(max_members=2, max_tokens=1_000, deadline_s=10)
    made = make_plan(
        set(CHEAP),
        catalog=OPEN.model_copy(update={"consensus": table}),
        max_members=4,
        max_tokens=9_000,
        deadline_s=60,
    )
    assert len(made.members) == 2
    assert made.tokens_each * 3 <= 1_000
    assert made.deadline_s == 10
    assert made.members_deadline_s < 10


def test_vote_among_unequal_members_warns_and_among_equal_ones_does_not() -> None:
    assert make_plan(set(CHEAP), strategy="vote").warnings
    assert not make_plan(set(CHEAP), strategy="vote", members=("mistral_balanced", "qwen_coder")).warnings


def test_unknown_member_is_not_found() -> None:
    with pytest.raises(ModelNotFound):
        make_plan(set(CHEAP), members=("nobody",))


def test_nobody_available_is_a_plan_without_members() -> None:
    assert make_plan(set(), available=frozenset()).members == ()


def test_reserve_of_the_table_is_asked_by_a_cascade_only_and_counts_in_the_budget() -> None:
    made = make_plan(set(ALL), catalog=BUILT_IN, slots=4)
    assert (made.members, made.reserve) == (("phi4_fast", "qwen_coder"), "mistral_balanced")
    assert made.tokens_each == 8192 // 4
    assert make_plan(set(ALL), catalog=BUILT_IN, slots=4, strategy="vote").reserve is None
    assert make_plan(set(ALL), catalog=BUILT_IN, slots=4, members=("phi4_fast", "qwen_coder")).reserve is None


def test_reserve_is_never_a_second_swap() -> None:
    assert make_plan({"phi4_fast", "qwen_coder"}, catalog=BUILT_IN, slots=2).reserve is None
    assert make_plan({"phi4_fast", "qwen_coder", BIG}, catalog=BUILT_IN, slots=3).reserve is not None


def test_reserve_that_is_seated_or_absent_is_none() -> None:
    table = ConsensusConfig(members=CHEAP, reserve="mistral_balanced")
    seated = BUILT_IN.model_copy(update={"consensus": table})
    assert make_plan(set(ALL), catalog=seated, slots=4).reserve is None
    some = ALL - {"mistral_balanced"}
    assert make_plan(set(some), catalog=BUILT_IN, slots=4, available=some).reserve is None


def test_only_what_is_loaded_is_asked_unless_somebody_says_load() -> None:
    made = make_plan({"phi4_fast", "qwen_coder"}, load=None)
    assert {*made.members, made.final_model} <= {"phi4_fast", "qwen_coder"}
    assert dict(made.left_out)["mistral_balanced"] == "not loaded, and nobody said `load`"
    assert make_plan(set(), load=None).members == ()


def test_whoever_takes_longer_than_there_is_time_for_is_not_asked() -> None:
    slow = {"mistral_balanced": 60.0}
    made = make_plan(set(ALL), slots=4, answer_s=slow, deadline_s=20)
    assert "mistral_balanced" not in made.members
    assert "60 s" in dict(made.left_out)["mistral_balanced"]
    assert make_plan(set(ALL), slots=4, answer_s=dict.fromkeys(ALL, 60.0), deadline_s=20).members


def test_blind_member_is_not_asked_about_a_picture_and_the_plan_says_so() -> None:
    needs = Needs((Need("images", "messages"),))
    seeing = {
        name: BUILT_IN.models[name].model_copy(update={"abilities": frozenset({"images"})})
        for name in ("qwen_coder", BIG)
    }
    catalog = OPEN.model_copy(update={"models": {**BUILT_IN.models, **seeing}})
    state = PoolState(ALL, ALL)
    made = plan(catalog, state, ConsensusOptions(), domain="general", slots=4, needs=needs)
    assert (made.members, made.final_model) == (("qwen_coder",), BIG)
    assert dict(made.left_out)["phi4_fast"] == "cannot do images"
    with pytest.raises(BadRequest, match="messages asks for: images"):
        plan(OPEN, state, ConsensusOptions(), domain="general", slots=4, needs=needs)
