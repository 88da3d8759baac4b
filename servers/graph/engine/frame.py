"""The evaluation frame: what a compiled expression reads for one row. Limits are in `execution`."""

from typing import Any

from servers.graph.engine.execution import Execution, Row


class Frame:
    """What an expression reads while it runs. A frame is used again for the next row.

    `row` is the input row, `locals` loop variables, `reader` gives vertices by vid. `src`, `edge` and `dst`
    are the step of a traversal, `vid` the vertex of a FETCH or LOOKUP, `props` the element of an UPDATE.
    """

    __slots__ = ("dst", "edge", "locals", "props", "reader", "row", "run", "src", "vid")

    def __init__(self, run: Execution, row: Row | None = None) -> None:
        self.run = run
        self.row: Any = row
        self.locals: dict[str, Any] = {}
        self.src: Any = None
        self.edge: Any = None
        self.dst: Any = None
        self.vid: Any = None
        self.reader: Any = None
        self.props: Any = None
