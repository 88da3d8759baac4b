"""What the catalogue's tables and a request's options share: strict frozen models, and their errors."""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from tools.errors import BadRequest

OptionsT = TypeVar("OptionsT", bound=BaseModel)


class Strict(BaseModel):
    """A frozen model that refuses unknown fields, so that a misspelt option is an error and not a silence."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def validate_options(model: type[OptionsT], value: object, *, field: str) -> OptionsT:
    """`value` of a request's `field` as a `model`. Raises BadRequest that names the field at fault."""
    try:
        return model.model_validate(value)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join([field, *(str(part) for part in first["loc"])])
        raise BadRequest(
            f"{where}: {first['msg']}", param=where, source="pool", code="invalid_value"
        ) from exc
