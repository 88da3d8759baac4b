"""A thread's copies up to a question, and threads found by what was said in them."""

import pytest

from servers.api.runs.text_search import excerpt_of, fold_in_place

PORT, POOL = "¿En qué puerto escucha la API?", "¿y la pool?"


async def talk(http, *questions):
    """A thread with these questions answered: its id, and the ids of the runs."""
    name = (await http.post("/threads", json={"metadata": {"title": "t"}})).json()["thread_id"]
    for question in questions:
        answer = await http.post(f"/threads/{name}/runs/wait", json={"input": {"question": question}})
        assert answer.status_code == 200
    return name, [turn["run_id"] for turn in (await http.get(f"/threads/{name}/turns")).json()]


async def test_a_copy_up_to_a_question_remembers_what_came_before_it_alone(http) -> None:
    name, (first, second) = await talk(http, PORT, POOL)
    copied = (await http.post(f"/threads/{name}/copy", json={"before": second})).json()
    turns = (await http.get(f"/threads/{copied['thread_id']}/turns")).json()
    assert [turn["question"] for turn in turns] == [PORT]
    assert turns[0]["answer"]["answer"]
    assert turns[0]["run_id"] not in (first, second)
    assert len(copied["values"]["messages"]) == 2
    asked = {"input": {"question": POOL}}
    body = (await http.post(f"/threads/{copied['thread_id']}/runs/wait", json=asked)).json()
    assert "8082" in body["answer"]
    assert len(body["messages"]) == 4
    empty = (await http.post(f"/threads/{name}/copy", json={"before": first})).json()
    assert (await http.get(f"/threads/{empty['thread_id']}/turns")).json() == []
    assert empty["values"] == {}
    assert len((await http.get(f"/threads/{name}/turns")).json()) == 2


async def test_a_copy_up_to_a_run_of_another_thread_is_refused(http) -> None:
    name, _ = await talk(http, PORT)
    _, (other,) = await talk(http, PORT)
    answer = await http.post(f"/threads/{name}/copy", json={"before": other})
    assert answer.status_code == 404
    assert answer.json()["error"]["param"] == "before"


async def test_a_whole_copy_shows_its_turns_too(http) -> None:
    name, _ = await talk(http, PORT)
    copied = (await http.post(f"/threads/{name}/copy")).json()["thread_id"]
    assert [turn["question"] for turn in (await http.get(f"/threads/{copied}/turns")).json()] == [PORT]


async def test_threads_are_found_by_words_of_questions_and_answers(http) -> None:
    name, _ = await talk(http, PORT)
    for text in ("PUERTO escucha", "púerto 5000"):
        found = (await http.post("/threads/find", json={"text": text})).json()
        assert name in [one["thread_id"] for one in found]
    assert (await http.post("/threads/find", json={"text": "puerto rinoceronte"})).json() == []
    assert (await http.post("/threads/find", json={"text": ""})).status_code == 400


async def test_a_run_is_answered_by_the_model_that_its_configuration_names(http) -> None:
    name, _ = await talk(http)
    asked = {"input": {"question": PORT}, "config": {"configurable": {"model": "extractive"}}}
    body = (await http.post(f"/threads/{name}/runs/wait", json=asked)).json()
    assert body["route"]["reasons"] == ["asked for by name"]
    assert body["model"] == "extractive"


@pytest.mark.pure
@pytest.mark.parametrize(
    ("text", "words", "found"),
    [
        ("El Búho real caza", ["buho"], "El Búho real caza"),
        ("nada", ["buho"], ""),
        ("a" * 60 + " búho " + "b" * 200, ["buho"], "…" + "a" * 39 + " búho " + "b" * 95),
        ("straße ﬁn İx y", ["y"], "straße ﬁn İx y"),
    ],
)
def test_an_excerpt_stands_where_the_word_does(text, words, found) -> None:
    assert len(fold_in_place(text)) == len(text)
    assert excerpt_of(text, words) == found
