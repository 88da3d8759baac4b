"""Who may run which statement: GUEST reads, USER writes data, DBA the schema, ADMIN grants, GOD does all."""

from servers.graph.engine.administration_protocol import Administration
from servers.graph.errors import PermissionDenied
from servers.graph.language import access_statements as a
from servers.graph.language import ddl_statements as d
from servers.graph.language import statements as s

RANKS = {"": 0, "GUEST": 1, "USER": 2, "DBA": 3, "ADMIN": 4, "GOD": 5}
"""Roles by what they may do; "" is none."""

SPACES = (d.CreateSpace, d.CreateSpaceAs, d.DropSpace, d.ClearSpace)
DEFINITIONS = (d.CreateSchema, d.AlterSchema, d.DropSchema)
SCHEMAS = (*DEFINITIONS, d.CreateIndex, d.DropIndex, d.RebuildIndex, d.SubmitJob)
OWN = (a.ChangePassword, a.KillQuery, a.KillSession)
"""Statements that look at the role themselves: everybody may do them with what is his."""


def check(statement: s.Statement, space: str | None, administration: Administration) -> str | None:
    """Refuse what the session's role in the space does not allow; the space that is in use behind it.

    Raises `PermissionDenied`.
    """
    match statement:
        case s.Explain(sentences=sentences):
            for inner in sentences:
                space = check(inner, space, administration)
            return space
        case s.Assignment(sentence=inner):
            return check(inner, space, administration)
        case s.Pipe(left=left, right=right) | s.SetOperation(left=left, right=right):
            check(left, space, administration)
            return check(right, space, administration)
        case d.Use(space=name):
            if not RANKS[administration.role(name)]:
                raise PermissionDenied("No permission to read space.")
            return name
    _check_one(statement, space, administration)
    return space


def _check_one(statement: s.Statement, space: str | None, administration: Administration) -> None:
    if isinstance(statement, OWN):
        return
    if isinstance(statement, SPACES):
        _need("GOD", None, administration, "No permission to write space.")
    elif isinstance(statement, SCHEMAS):
        _need("DBA", space, administration, "No permission to write schema.")
    elif isinstance(statement, a.GrantRole):
        _check_grant(statement, administration)
    elif isinstance(statement, a.CreateUser | a.AlterUser | a.DropUser):
        _need("GOD", None, administration, "No permission to write user.")
    elif isinstance(statement, a.Snapshot):
        _need("GOD", None, administration, "No permission to write space.")
    elif isinstance(statement, a.DescribeUser):
        if statement.name != administration.user():
            _need("GOD", None, administration, f"No permission to read user `{statement.name}'.")
    elif statement.writes:
        _need("USER", space, administration, "No permission to write data.")


def _need(role: str, space: str | None, administration: Administration, refusal: str) -> None:
    if RANKS[administration.role(space)] < RANKS[role]:
        raise PermissionDenied(refusal)


def _check_grant(statement: a.GrantRole, administration: Administration) -> None:
    if statement.role == "GOD":
        refusal = "Permission denied" if statement.revoke else "No permission to grant/revoke god user."
        raise PermissionDenied(refusal)
    own = administration.role(statement.space)
    if own != "GOD" and statement.user == administration.user():
        raise PermissionDenied("No permission to grant/revoke yourself.")
    # ADMIN gives away what is below ADMIN, and nothing in other spaces.
    if RANKS[own] < RANKS["ADMIN"] or RANKS[own] <= RANKS[statement.role]:
        raise PermissionDenied("No permission to write grant/revoke role.")
