import json
import random
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from servers.pool.routing.classifier import WEIGHTS, failure_chance
from servers.pool.routing.features import FORMS, extract_features
from servers.pool.routing.train import fit, fit_difficulty, scaling_of
from servers.pool.routing.training.dataset import Outcome, read_labelled, read_outcomes, refuse_held_out
from servers.pool.routing.training.measures import by_source
from servers.pool.routing.training.sparse import Rows, fit_ridge
from tests.pool.prompts import prompts

pytestmark = pytest.mark.pure

PROMPTS = Path(__file__).parents[1]


def test_ridge_over_sparse_rows_is_the_one_of_the_textbook() -> None:
    source = np.random.default_rng(0)
    dense = source.normal(size=(40, 6)).astype(np.float32)
    targets = source.normal(size=(40, 2)).astype(np.float32)
    counts = source.uniform(0.5, 2, 40).astype(np.float32)
    rows = Rows([(list(range(6)), list(map(float, row))) for row in dense], 6)
    found = fit_ridge(rows, targets, counts, penalty=0.1)
    gram = (dense * counts[:, None]).T @ dense + 0.1 * 40 * np.eye(6)
    assert np.allclose(found, np.linalg.solve(gram, (dense * counts[:, None]).T @ targets), atol=1e-3)


def test_a_column_that_comes_twice_in_a_row_counts_twice() -> None:
    rows = Rows([([0, 0, 1], [1.0, 2.0, 5.0]), ([1], [1.0])], 3)
    assert rows.times(np.eye(3, dtype=np.float32)).tolist() == [[3, 5, 0], [0, 1, 0]]
    assert rows.transposed_times(np.ones((2, 1), np.float32)).ravel().tolist() == [3, 6, 0]


def write(file: Path, *rows: object) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def test_labels_are_domains_or_models_of_the_catalogue(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.jsonl", {"text": "hi", "want": "general"}, {"prompt": "x", "expect": "qwen_coder"}
    )
    assert [item.want for item in read_labelled(file)] == ["general", "coding"]


def test_outcomes_are_read_in_both_forms(tmp_path: Path) -> None:
    answers = {"phi4_fast": "A", "mistral_balanced": "B", "gptoss_complex": "A"}
    file = write(
        tmp_path / "o.jsonl",
        {"prompt": "p", "weak": False, "strong": True},
        {"question": "q", "options": ["x", "y"], "answer": "A", "predictions": answers},
    )
    one, other = read_outcomes(file)
    assert (one.failed, one.gained) == (1.0, 1.0)
    assert (other.text, other.failed, other.gained) == ("q\nA. x\nB. y\nAnswer:", 0.5, 0.5)


def test_row_that_is_held_out_stops_the_training(tmp_path: Path) -> None:
    known = read_labelled(write(tmp_path / "a.jsonl", {"text": "¿Cuál es tu COLOR?", "want": "general"}))
    with pytest.raises(SystemExit, match="held out"):
        refuse_held_out(known, [write(tmp_path / "h.jsonl", {"prompt": "¿cual es tu color? "})])
    refuse_held_out(known, [write(tmp_path / "other.jsonl", {"prompt": "another"})])


def test_training_learns_a_domain_from_other_prompts(tmp_path: Path) -> None:
    some = [row for row in prompts("written")[::6]]
    weights, measured = fit(read_labelled(write(tmp_path / "w.jsonl", *some)), [])
    assert measured.right["prompts right"] > 0.5
    assert weights.kind.shape[1] == 4
    assert weights.difficulty.shape == (weights.kind.shape[0], len(FORMS))


def test_training_says_what_its_difficulty_keeps_on_outcomes_that_it_did_not_see(tmp_path: Path) -> None:
    source = random.Random(0)
    outcomes: list[Outcome] = []
    for number in range(120):
        hard = number % 2 == 0
        ask = "Prove that" if hard else "Spell out that"
        failed = float(source.random() < (0.9 if hard else 0.1))
        outcomes.append(Outcome(f"{ask} the sum of {number} terms is even", failed, failed, "sums"))
    some = read_labelled(write(tmp_path / "w.jsonl", *prompts("written")[::24]))
    _, measured = fit(some, outcomes)
    drawn = measured.curves["other"]
    assert drawn["outcomes"] == 120
    assert drawn["apgr"] > 0.7
    assert [point[0] for point in drawn["points"]] == [tenth / 10 for tenth in range(11)]
    assert measured.sources["sums"]["apgr"] > 0.7
    assert measured.sources["sums"]["calibration error"] < 0.15


def test_chances_are_true_of_unseen_outcomes_though_the_weights_tell_the_seen_ones_apart() -> None:
    source = random.Random(3)
    words = ["sum", "root", "area", "mean", "prime", "angle", "limit", "ratio"]
    outcomes: list[Outcome] = []
    for number in range(240):
        asked = " ".join(source.choice(words) + str(source.randrange(9)) for _ in range(6))
        failed = float(source.random() < (0.7 if number % 2 else 0.3))
        outcomes.append(Outcome(f"{'Prove' if number % 2 else 'Spell'} {asked}", failed, failed, "sums"))
    known = [extract_features(item.text) for item in outcomes]
    weights, measured = fit_difficulty(known, [], outcomes, scaling_of(known))
    seen = [failure_chance(features, weights) for features in known]
    told = measured.sources["sums"]
    assert by_source(outcomes, seen)["sums"]["apgr"] > told["apgr"] + 0.05
    assert told["calibration error"] < 0.12


def test_card_names_the_data_that_the_shipped_weights_were_made_from() -> None:
    card = json.loads(WEIGHTS.with_suffix(".json").read_text(encoding="utf-8"))
    assert card["weights"] == sha256(WEIGHTS.read_bytes()).hexdigest()
    for split in ("tune", "written"):
        file = PROMPTS / f"prompts-{split}.jsonl"
        told = card["labelled"][file.name]
        assert told["sha256"] == sha256(file.read_bytes()).hexdigest(), f"{file.name}: fit the router again"
        assert told["rows"] == len(read_labelled(file))


def test_shipped_difficulty_was_a_probability_on_outcomes_that_were_not_fitted() -> None:
    card = json.loads(WEIGHTS.with_suffix(".json").read_text(encoding="utf-8"))
    told = card["difficulty on folds that were not fitted"]
    assert set(told) == {"gsm8k", "mmlu", "mmlu-pro-dev"}
    assert all(source["calibration error"] <= 0.05 for source in told.values())
