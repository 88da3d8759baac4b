"""How a route gets at what the server has opened."""

from typing import Annotated

from fastapi import Depends, Request

from servers.api.services import Desk


def desk_of(request: Request) -> Desk:
    return request.app.state.desk


AtDesk = Annotated[Desk, Depends(desk_of)]
