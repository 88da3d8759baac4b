"""The notebook magic `%ngql`: connect, use a space, and a table of a query."""

import json
import os
from importlib import import_module
from typing import Any

QUERY = "MATCH (v:person) RETURN v.person.name AS name ORDER BY name LIMIT 2"


def main() -> None:
    shell: Any = import_module("IPython.core.interactiveshell").InteractiveShell.instance()
    shell.run_line_magic("load_ext", "ngql")
    where = f"--address 127.0.0.1 --port {os.environ['GRAPH_PORT']}"
    shell.run_line_magic("ngql", f"{where} --user root --password {os.environ['GRAPH_PASSWORD']}")
    shell.run_line_magic("ngql", "USE clients")
    found = shell.run_line_magic("ngql", QUERY)
    # A frame, or one with a style around it.
    rows = getattr(found, "data", found).values.tolist()
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
