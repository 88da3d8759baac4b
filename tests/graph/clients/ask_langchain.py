"""LangChain's `NebulaGraph`: the schema that it tells a language model, with its relationships."""

import json
import os
from importlib import import_module
from typing import Any


def main() -> None:
    wrapper: Any = import_module("langchain_community.graphs").NebulaGraph
    port, password = int(os.environ["GRAPH_PORT"]), os.environ["GRAPH_PASSWORD"]
    graph = wrapper(space="clients", username="root", password=password, address="127.0.0.1", port=port)
    columns = "a.person.name AS a, b.person.name AS b, e.degree AS d"
    found = graph.query(f"MATCH (a:person)-[e:follow]->(b) RETURN {columns}")
    print(json.dumps({"schema": graph.get_schema, "rows": found}))


if __name__ == "__main__":
    main()
