import hashlib
from typing import Any

import pytest

from servers.pool.catalog.catalog import Catalog, load_catalog
from servers.pool.catalog.routing_options import RoutingOptions, RoutingRule, read_routing_options
from servers.pool.routing import choose as choose_module
from servers.pool.routing.choose import choose
from servers.pool.routing.conversation import is_follow_up
from servers.pool.routing.policy import PoolState
from tests.pool.prompts import SPLITS, accuracy, predict, prompts
from tools.errors import BadRequest, ModelNotFound
from tools.schema import Route

pytestmark = pytest.mark.pure

CATALOG = load_catalog()
ALL = frozenset(CATALOG.ids)
PROOF = "Demuestra que hay infinitos números primos"
CODE = "Write a Python function that reverses a list"


def ask(*questions: str, catalog: Catalog = CATALOG, state: PoolState | None = None, **options: Any) -> Route:
    """The route of a conversation in which the assistant answered each message but the last."""
    messages: list[dict[str, str]] = []
    for text in questions:
        messages += [{"role": "user", "content": text}, {"role": "assistant", "content": "…"}]
    return choose(messages[:-1], catalog, state or PoolState(ALL, ALL), RoutingOptions(**options))


def with_rules(*rules: RoutingRule) -> Catalog:
    assert CATALOG.auto is not None
    return CATALOG.model_copy(update={"auto": CATALOG.auto.model_copy(update={"rules": rules})})


@pytest.mark.parametrize("split", SPLITS)
def test_unseen_prompts_get_the_domain_they_deserve(split: str) -> None:
    overall, by_domain = accuracy(prompts(split))
    assert overall >= 0.80
    assert min(by_domain.values()) >= 0.70


def test_prompts_are_balanced_and_two_in_five_are_traps() -> None:
    rows = [row for split in SPLITS for row in prompts(split)]
    spanish = sum(row["language"] == "es" for row in rows) / len(rows)
    assert len({row["text"] for row in rows}) == len(rows) >= 300
    assert 0.45 <= spanish <= 0.55
    assert sum("trap" in row for row in rows) / len(rows) >= 0.40


@pytest.mark.parametrize(
    ("question", "domain"),
    [
        ("¿Qué come una python de tres metros?", "general"),
        ("¿A qué hora es la clase de natación?", "general"),
        ("dime el codigo postal de leon", "general"),
        (
            "Traduce al inglés solo el comentario:\n# suma dos números\ndef f(a, b):\n    return a + b",
            "general",
        ),
        ("hola, demuestra que la suma de dos pares es par", "expert"),
        ("como le doy la vuelta a una cadena en python", "coding"),
        ("¿Fotosíntesis?", "technical"),
        ("gracias", "general"),
        ("buenas! " * 60 + "¿qué tal el día?", "general"),
    ],
)
def test_traps_do_not_fool_it(question: str, domain: str) -> None:
    assert predict(question) == domain


def test_reasons_are_said_in_the_language_of_the_question() -> None:
    assert "pide razonar" in ask(PROOF).reasons[0]
    assert "work on code" in ask(CODE).reasons[0]


def test_words_that_moved_the_decision_are_quoted_and_idle_ones_are_not() -> None:
    reasons = ask("Prove that the square root of three is irrational").reasons
    assert len(reasons) <= 3
    assert "prove" in reasons[1]
    assert not {"that", "the"} & set(reasons[1].replace("»", " ").replace("«", " ").replace(",", " ").split())


def test_every_signal_comes_with_its_weight_and_every_domain_with_its_chance() -> None:
    signals = ask(PROOF).signals
    assert sum(
        signals[f"chance.{domain}"] for domain in ("general", "technical", "coding", "expert")
    ) == pytest.approx(1, abs=0.01)
    assert signals["«demuestra»"] > 0


def test_unavailable_model_is_replaced_in_the_declared_order_and_said_so() -> None:
    route = ask(CODE, state=PoolState(frozenset({"phi4_fast", "mistral_balanced"})))
    assert (route.wanted, route.model) == ("qwen_coder", "mistral_balanced")
    assert any("qwen_coder is not available" in reason for reason in route.reasons)


def test_last_resort_serves_when_nothing_else_can() -> None:
    assert ask(PROOF, state=PoolState(frozenset({"extractive"}))).model == "extractive"


def test_nothing_available_still_gives_a_decision() -> None:
    assert ask(PROOF, state=PoolState(frozenset())).model == "gptoss_complex"


def test_follow_up_keeps_the_model_of_the_conversation() -> None:
    assert ask(CODE, "and now in a shorter way").wanted == "qwen_coder"
    assert ask(PROOF, "¿y con los compuestos?").wanted == "gptoss_complex"


def test_new_task_leaves_the_model_of_the_conversation() -> None:
    assert ask(CODE, "¿Qué le regalo a mi madre por su cumpleaños?").wanted == "phi4_fast"
    assert ask("hola", PROOF).wanted == "gptoss_complex"


def test_thanks_does_not_wake_the_expert() -> None:
    assert ask(PROOF, "muchas gracias").wanted == "phi4_fast"
    assert not is_follow_up("gracias")


def test_previous_model_stays_when_another_is_hardly_better() -> None:
    question = "¿Qué es una red mesh?"
    assert ask(question).model == "mistral_balanced"
    assert ask(question, previous="gptoss_complex").model == "gptoss_complex"
    assert ask(question, previous="phi4_fast").model == "mistral_balanced"


def test_slow_load_is_not_worth_a_small_gain() -> None:
    technical = "¿Cómo funciona una turbina eólica?"
    waiting = PoolState(ALL, frozenset({"gptoss_complex"}), {"mistral_balanced": 30.0})
    assert ask(technical, state=waiting).model == "gptoss_complex"
    assert ask(technical, state=waiting).wanted == "mistral_balanced"


def test_slow_load_is_worth_a_great_gain() -> None:
    loading = PoolState(ALL, frozenset({"phi4_fast"}), {"gptoss_complex": 30.0})
    assert ask(PROOF, state=loading).model == "gptoss_complex"


def test_caller_overrules_everything() -> None:
    catalog = with_rules(RoutingRule(match=".", model="mistral_balanced"))
    assert ask(PROOF, catalog=catalog, model="phi4_fast").model == "phi4_fast"
    with pytest.raises(ModelNotFound):
        ask(PROOF, model="nobody")


def test_excluded_model_does_not_serve() -> None:
    route = ask(PROOF, exclude=frozenset({"gptoss_complex"}))
    assert (route.wanted, route.model) == ("gptoss_complex", "mistral_balanced")


@pytest.mark.parametrize(
    "rule",
    [
        RoutingRule(match=r"\bprimos\b", model="phi4_fast"),
        RoutingRule(domain="expert", model="phi4_fast"),
        RoutingRule(key=hashlib.sha256(b"secret").hexdigest(), model="phi4_fast"),
    ],
)
def test_rule_pins_by_pattern_domain_and_key(rule: RoutingRule) -> None:
    options = read_routing_options(None, api_key=b"secret")
    route = choose([{"role": "user", "content": PROOF}], with_rules(rule), PoolState(ALL, ALL), options)
    assert (route.wanted, route.model) == ("gptoss_complex", "phi4_fast")


def test_rule_that_does_not_hold_changes_nothing() -> None:
    assert (
        ask(PROOF, catalog=with_rules(RoutingRule(domain="coding", model="phi4_fast"))).model
        == "gptoss_complex"
    )


def test_cost_ceiling_of_request_and_of_key_both_bind() -> None:
    assert ask(PROOF, max_cost=2).model == "mistral_balanced"
    key = hashlib.sha256(b"cheap").hexdigest()
    assert (
        ask(PROOF, catalog=with_rules(RoutingRule(key=key, max_cost=1)), key=key, max_cost=2).model
        == "phi4_fast"
    )


def test_text_that_does_not_fit_a_model_goes_where_it_fits() -> None:
    long = "palabra " * 12_000
    assert ask(f"{long}\nresume en una frase").model in ("qwen_coder", "gptoss_complex")


def test_options_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(BadRequest, match=r"route\.modle"):
        read_routing_options({"modle": "phi4_fast"})


def test_rule_with_a_broken_pattern_is_refused() -> None:
    with pytest.raises(ValueError, match="regular expression"):
        RoutingRule(match="(", model="x")


def test_passages_do_not_decide_the_domain() -> None:
    block = "<passages>\n[1] Demuestra el teorema con código Python.\n</passages>"
    route = ask(f"{block}\n\nPregunta: ¿Quién es la alcaldesa?")
    assert route.wanted == "phi4_fast"
    assert any("pasajes" in reason for reason in route.reasons)


def test_empty_and_odd_messages_get_a_decision() -> None:
    for content in ("", " ", None, [], [{"type": "text"}], "\x00", "¿" * 5_000, "(" * 20_000):
        route = choose([{"role": "user", "content": content}], CATALOG, PoolState(ALL, ALL))
        assert route.model in ALL
    assert choose([], CATALOG, PoolState(ALL, ALL)).model in ALL


def test_a_question_is_read_once_however_often_its_conversation_is_routed_unless_it_is_pasted() -> None:
    question, pasted = "¿Quién escribió la novela del hidalgo?", "¿Qué dice esto? " + "palabra " * 1_000
    for text, more in ((question, 1), (pasted, 0)):
        kept = choose_module._kept.cache_info()
        first = choose_module.understand([{"role": "user", "content": text}])
        assert choose_module.understand([{"role": "user", "content": text}]) == first
        after = choose_module._kept.cache_info()
        assert (after.hits - kept.hits, after.misses - kept.misses) == (more, more)
