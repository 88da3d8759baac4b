"""What several routes declare alike: services, caller, the base of their request models, field types."""

import json
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from servers.api.services import Services
from tools.access.identity import Principal


async def services_of(request: Request) -> Services:
    """The services that the app's lifespan opened.

    A coroutine, as `caller_of`: FastAPI sends what is none to a thread, which costs more than all it does.
    """
    return request.app.state.services


async def caller_of(request: Request) -> Principal:
    """Whom the request is from."""
    return request.state.principal


CallerDep = Annotated[Principal, Depends(caller_of)]
ServicesDep = Annotated[Services, Depends(services_of)]


class RequestModel(BaseModel):
    """A request body: fields that we do not know are left out, as other servers of these protocols do."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


def storable_json(value: Any) -> Any:
    """`value` when every store and reader can take it: finite numbers, integers of 64 bits, valid Unicode,
    no NUL. Raises `ValueError`."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    text.encode()
    if "\\u0000" in text:
        raise ValueError("text may not hold NUL")
    json.loads(text, parse_int=_int64)
    return value


def _int64(digits: str) -> int:
    if not -(2**63) <= (number := int(digits)) < 2**63:
        raise ValueError("an integer may have 64 bits")
    return number


StorableValue = Annotated[JsonValue, AfterValidator(storable_json)]
StorableObject = Annotated[dict[str, JsonValue], AfterValidator(storable_json)]
ThreadId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,128}$")]
Limit = Annotated[int, Field(ge=1, le=1_000)]
"""How many rows an answer may hold."""
Offset = Annotated[int, Field(ge=0, le=1_000_000)]
"""How many rows an answer leaves out first."""
