"""Structured logs: an event name plus fields, one JSON line each, secrets removed before they are written."""

import logging
import re
import sys
from collections.abc import Callable
from typing import Any

import structlog

from tools import trace
from tools.schema import JsonObject

SECRET_FIELD = re.compile(
    r"(api[_-]?key|secret[_-]?key|token|password|passwd|secret|authorization|cookie|dsn|auth[_-]?string)$",
    re.IGNORECASE,
)
SECRET_TEXT = re.compile(
    r"""(?ix)
    (\bbearer\s+|\bbasic\s+(?=\S*[\d=+/]))\S+       # authentication
    |(://[^/\s:@]*:)[^\s"']+(?=@)                    # a password in an address, up to the last @
    |((?:api[_-]?key|password|passwd|secret(?:[_-]key)?|[_-]token|cookie)["']?\s*[=:]\s*["']?)[^\s"',}]+
    |(\bc6i\.|\bc6-\w+-)[\w.-]{8,}                   # tokens and keys of our own
    """
)


def configure(
    service: str, *, level: str = "INFO", stream: Any = None, conceal: Callable[[str], str] = str
) -> None:
    """Send structlog and the standard library's loggers to `stream` (stderr) as JSON lines.

    `conceal` takes known secrets out of a finished line (`tools/access/secret_values.py`), wherever they are.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _traced,
        structlog.processors.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _named(service),
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
                _concealed(conceal),
            ],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for noisy in ("httpx", "httpx2", "httpcore", "mcp", "pymilvus", "nebula3", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger whose events carry `logger=name`."""
    # Not bound here: a logger made at import must obey a later `configure`.
    return structlog.get_logger(name)


def redact(_logger: Any, _method: str, event: JsonObject) -> JsonObject:
    """Replace values of secret-looking fields, and secrets inside any text, by `***`."""
    return {key: "***" if SECRET_FIELD.search(key) else _clean(value) for key, value in event.items()}


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return SECRET_TEXT.sub(lambda found: f"{next(filter(None, found.groups()))}***", value)
    if isinstance(value, dict):
        return redact(None, "", value)
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


def _traced(_logger: Any, _method: str, event: JsonObject) -> JsonObject:
    """The id of the request that is served."""
    served = trace.current()
    if served is not None:
        event.setdefault("request_id", served.request_id.decode())
    return event


def _concealed(conceal: Callable[[str], str]) -> Any:
    def clean(_logger: Any, _method: str, line: str) -> str:
        return conceal(line)

    return clean


def _named(service: str) -> Any:
    def add(_logger: Any, _method: str, event: JsonObject) -> JsonObject:
        event.setdefault("service", service)
        return event

    return add
