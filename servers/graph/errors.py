"""The errors that a client sees: NebulaGraph's error codes and the message prefixes its clients know.

QueryError
├── NgqlSyntaxError  SemanticError  PermissionDenied  StatementEmpty
├── BadLogin (server/users)  SessionInvalid  TooManySessions (server/sessions)
└── ExecutionError
    └── StorageError  QueryKilled  MemoryExceeded  SpaceDamaged  Unsupported
"""

from typing import ClassVar


class QueryError(Exception):
    """An error that the client sees. `code` is Nebula's; `prefix` starts the message."""

    code: ClassVar[int] = -1005
    prefix: ClassVar[str] = ""

    def __init__(self, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.message = f"{self.prefix}{message}"
        self.number = self.code if code is None else code


class NgqlSyntaxError(QueryError):
    """The text is not of the language (E_SYNTAX_ERROR)."""

    code, prefix = -1004, "SyntaxError: "


class SemanticError(QueryError):
    """The statement is well formed and means nothing here: names, types, clauses (E_SEMANTIC_ERROR)."""

    code, prefix = -1009, "SemanticError: "


class ExecutionError(QueryError):
    """What went wrong while running. As in the cluster, code -1005 comes with the bare message."""

    code = -1005


class PermissionDenied(QueryError):
    """The user's role does not allow it (E_BAD_PERMISSION)."""

    code, prefix = -1008, "PermissionError: "


class StorageError(ExecutionError):
    """A storage-side refusal, worded `Storage Error: …` as the cluster does."""

    prefix = "Storage Error: "


class StatementEmpty(QueryError):
    """There is no statement in the text (E_STATEMENT_EMPTY)."""

    code = -1006


class QueryKilled(ExecutionError):
    """The query met its deadline, its row or its memory cap."""

    code, prefix = -3060, "ExecutionError: "


class MemoryExceeded(ExecutionError):
    """A value or a query needs more memory than is allowed (E_GRAPH_MEMORY_EXCEEDED)."""

    code, prefix = -2600, "ExecutionError: "


class SpaceDamaged(ExecutionError):
    """The space's file cannot be trusted; nothing in it is served."""

    code, prefix = -2021, "ExecutionError: "


UNSUPPORTED = "not supported by the embedded graph server; use a NebulaGraph cluster"


class Unsupported(ExecutionError):
    """What only a NebulaGraph cluster can do; `what` names it."""

    code, prefix = -2004, "ExecutionError: "

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is {UNSUPPORTED}")
