"""YIELD … FROM $a INNER JOIN $b ON: the rows of two variables, joined where two columns are equal."""

from collections.abc import Iterator

from servers.graph.engine.execution import Execution, Row, Rows
from servers.graph.engine.expression_tree import has_aggregate
from servers.graph.engine.frame import Frame
from servers.graph.engine.plan import Context, Plan, Shape
from servers.graph.engine.scope import Leaf, Scope
from servers.graph.engine.statements.projection import compile_projection
from servers.graph.errors import NgqlSyntaxError, SemanticError
from servers.graph.language import expressions as e
from servers.graph.language import statements as s
from servers.graph.values.types import Parameters, identity


class JoinScope(Scope):
    """`$left.column` and `$right.column` of a joined row, which is the left row and then the right one."""

    def __init__(self, parameters: Parameters, shapes: dict[str, Shape]) -> None:
        super().__init__(parameters=parameters)
        self.shapes = shapes

    def resolve(self, node: e.Expr) -> Leaf | None:
        match node:
            case e.Attr(left=e.Variable(name=name), name=column) if name not in self.parameters:
                at = self._position(name, column)
                return lambda frame: frame.row[at]
        return super().resolve(node)

    def type_of(self, node: e.Expr) -> str:
        match node:
            case e.Attr(left=e.Variable(name=name), name=column) if name in self.shapes:
                shape = self.shapes[name]
                return shape.types[shape.columns.index(column)]
        return super().type_of(node)

    def _position(self, name: str, column: str) -> int:
        passed = 0
        for known, shape in self.shapes.items():
            if known == name and column in shape.columns:
                return passed + shape.columns.index(column)
            passed += len(shape.columns)
        raise SemanticError(f"`${name}.{column}', not exist prop `{column}'")


def plan_join(statement: s.YieldSentence, join: s.Join, context: Context) -> Plan:
    """Plan the YIELD of a join. Raises `SemanticError`, `NgqlSyntaxError`."""
    columns = statement.output.columns
    if any(has_aggregate(column.expr) for column in columns):
        raise NgqlSyntaxError("Invalid use of aggregating function in yield clause.")
    if join.mode != "INNER":
        raise SemanticError("only support inner join.")
    if join.left == join.right:
        raise SemanticError("do not support self-join.")
    left_key = _key(join.left, join.left_key)
    right_key = _key(join.right, join.right_key)
    shapes = {name: _shape(name, context) for name in (join.left, join.right)}
    _refuse_namesakes(join, shapes, left_key, right_key)
    left_at = _column(shapes[join.left], join.left_key, left_key)
    right_at = _column(shapes[join.right], join.right_key, right_key)
    scope = JoinScope(context.parameters, shapes)
    output = compile_projection(columns, scope, distinct=statement.output.distinct)

    def execute(run: Execution) -> Rows:
        rows = _joined(run.variables[join.left], left_at, run.variables[join.right], right_at)
        frame = Frame(run)

        def frames() -> Iterator[Frame]:
            for row in rows:
                frame.row = row
                yield frame

        return output.rows(frames(), run)

    return Plan("HashInnerJoin", output.names, execute, output.types)


def _joined(left: Rows, left_at: int, right: Rows, right_at: int) -> Iterator[Row]:
    matching: dict[object, Rows] = {}
    for row in right:
        matching.setdefault(identity(row[right_at]), []).append(row)
    for row in left:
        for other in matching.get(identity(row[left_at]), ()):
            yield [*row, *other]


def _key(name: str, key: e.Expr) -> str:
    match key:
        case e.Attr(left=e.Variable(name=used), name=column):
            if used == name:
                return column
            raise SemanticError(f"`{name}' should be consistent with join condition variable `{key.text()}'.")
    raise NgqlSyntaxError(f"syntax error near `{key.text()}'")


def _shape(name: str, context: Context) -> Shape:
    found = context.variables.get(name)
    if found is None:
        raise SemanticError(f"variable: `{name}' not exist")
    return found


def _column(shape: Shape, key: e.Expr, column: str) -> int:
    if column not in shape.columns:
        raise SemanticError(f"`{key.text()}', not exist prop `{column}'")
    return shape.columns.index(column)


def _refuse_namesakes(join: s.Join, shapes: dict[str, Shape], left_key: str, right_key: str) -> None:
    for name in shapes[join.left].columns:
        if name not in (left_key, right_key) and name in shapes[join.right].columns:
            raise SemanticError(
                f"column name `{name}' of ${join.left} and column name `{name}' of ${join.right} are the "
                "same, please rename it to a non-duplicate column name."
            )
