"""What a statement may answer instead of rows: Nebula's codes and the prefixes its clients know."""

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
    code, prefix = -1004, "SyntaxError: "


class SemanticError(QueryError):
    code, prefix = -1009, "SemanticError: "


class ExecutionError(QueryError):
    """What went wrong while running. As in the cluster, code -1005 comes with the bare message."""

    code = -1005


class PermissionDenied(QueryError):
    code, prefix = -1008, "PermissionError: "


class StorageError(ExecutionError):
    """A storage-side refusal, worded `Storage Error: …` as the cluster does."""

    prefix = "Storage Error: "


class StatementEmpty(QueryError):
    code = -1006


class QueryKilled(ExecutionError):
    """The query met its deadline, its row or its memory cap."""

    code, prefix = -3060, "ExecutionError: "


class MemoryExceeded(ExecutionError):
    code, prefix = -2600, "ExecutionError: "


class SpaceDamaged(ExecutionError):
    """The space's file cannot be trusted; nothing in it is served."""

    code, prefix = -2021, "ExecutionError: "


UNSUPPORTED = "not supported by the embedded graph server; use a NebulaGraph cluster"


class Unsupported(ExecutionError):
    code, prefix = -2004, "ExecutionError: "

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is {UNSUPPORTED}")
