"""LlamaIndex's `NebulaPropertyGraphStore` and `NebulaGraphStore`: write, find, and delete again."""

import json
import os
from importlib import import_module
from typing import Any

store_types: Any = import_module("llama_index.graph_stores.nebula")
graph_types: Any = import_module("llama_index.core.graph_stores.types")
URL = f"nebula://127.0.0.1:{os.environ['GRAPH_PORT']}"
PASSWORD = os.environ["GRAPH_PASSWORD"]


def property_graph() -> dict[str, Any]:
    store = store_types.NebulaPropertyGraphStore(space="llama_properties", password=PASSWORD, url=URL)
    entity, relation = graph_types.EntityNode, graph_types.Relation
    ana = entity(name="Ana", label="PERSON", properties={"file_name": "a.txt"})
    lima = entity(name="Lima", label="CITY")
    chunk = graph_types.ChunkNode(text="Ana lives in Lima.", id_="chunk")
    store.upsert_nodes([ana, lima, chunk])
    store.upsert_relations([relation(label="LIVES_IN", source_id=ana.id, target_id=lima.id)])
    triplets = store.get_triplets(entity_names=["Ana"])
    found = {
        "got": sorted(node.id for node in store.get(ids=["Ana", "Lima"])),
        "file": store.get(ids=["Ana"])[0].properties.get("file_name"),
        "triplets": [[left.id, edge.label, right.id] for left, edge, right in triplets],
        "map": [[left.id, edge.label, right.id] for left, edge, right in store.get_rel_map([ana], depth=1)],
    }
    store.delete(entity_names=["Ana"])
    return {**found, "left": [node.id for node in store.get(ids=["Ana", "Lima"])]}


def triplets() -> dict[str, Any]:
    os.environ.update(
        NEBULA_USER="root", NEBULA_PASSWORD=PASSWORD, NEBULA_ADDRESS=URL.removeprefix("nebula://")
    )
    store = store_types.NebulaGraphStore(
        space_name="llama_triplets", edge_types=["rel"], rel_prop_names=["name"], tags=["entity"]
    )
    store.upsert_triplet("ana", "knows", "ben")
    store.upsert_triplet("ben", "likes", "cleo")
    made = {"get": store.get("ana"), "map": store.get_rel_map(["ana"], depth=2)}
    made["schema"] = store.get_schema(refresh=True)
    store.delete("ana", "knows", "ben")
    return {**made, "left": store.get("ana")}


def main() -> None:
    print(json.dumps({"properties": property_graph(), "triplets": triplets()}))


if __name__ == "__main__":
    main()
