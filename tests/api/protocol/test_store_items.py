"""Store items of the Agent Protocol: kept, found, deleted; names and values that can not be are refused."""

import pytest


async def test_items_are_kept_found_and_deleted(http) -> None:
    item = {"namespace": ["usuarios", "ana"], "key": "color", "value": {"text": "verde"}}
    assert (await http.put("/store/items", json=item)).status_code == 204
    found = await http.get("/store/items", params={"namespace": "usuarios.ana", "key": "color"})
    assert found.json()["value"] == {"text": "verde"}
    body = {"namespace_prefix": ["usuarios"], "filter": {"text": "verde"}}
    assert len((await http.post("/store/items/search", json=body)).json()["items"]) == 1
    spaces = (await http.post("/store/namespaces", json={"prefix": ["usuarios"]})).json()
    assert spaces == {"namespaces": [["usuarios", "ana"]]}
    await http.request("DELETE", "/store/items", json={"namespace": ["usuarios", "ana"], "key": "color"})
    gone = await http.get("/store/items", params={"namespace": "usuarios.ana", "key": "color"})
    assert gone.status_code == 404


@pytest.mark.parametrize(
    "namespace", [["a", "b.c"], ["a", "\x00"], ["a", ""], "a..b", ["a"] * 9, ["a", "b" * 129]]
)
async def test_a_namespace_that_can_not_be_is_a_400_when_it_is_read(http, namespace: list[str] | str) -> None:
    answer = await http.get("/store/items", params={"namespace": namespace, "key": "k"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "namespace")


@pytest.mark.parametrize("name", ["", ":", ".", ".a", "a b", "a\n", "ñ", "'"])
async def test_a_property_that_can_not_be_looked_for_is_a_400(http, name: str) -> None:
    answer = await http.post("/store/items/search", json={"filter": {name: 1}})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"].startswith("filter")


async def test_agents_own_books_are_closed_to_clients(http) -> None:
    item = {"namespace": ["_effects"], "key": "x", "value": {}}
    assert (await http.put("/store/items", json=item)).status_code == 403


@pytest.mark.parametrize("value", ['"\\ud800"', "NaN", "Infinity", '"\\u0000"', '{"a": [NaN]}', str(2**63)])
async def test_values_that_no_store_can_take_are_refused(http, value) -> None:
    raw = f'{{"metadata": {{"x": {value}}}, "namespace": ["a"], "key": "k", "value": {{"x": {value}}}}}'
    headers = {"content-type": "application/json"}
    for method, path in (("POST", "/threads"), ("PUT", "/store/items")):
        response = await http.request(method, path, content=raw, headers=headers)
        assert response.status_code == 400
