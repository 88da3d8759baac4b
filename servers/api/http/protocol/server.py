"""What LangGraph's clients ask a server of itself before they begin: whether it is there, what it can."""

from importlib.metadata import version

from fastapi import APIRouter

from tools.schema import JsonObject

router = APIRouter(tags=["agents"])


@router.get("/ok")
async def ok() -> dict[str, bool]:
    """It answers."""
    return {"ok": True}


@router.get("/info")
async def info() -> JsonObject:
    """Its version, that of the graphs' library, and which optional parts of LangGraph's API there are."""
    return {
        "version": version("capibara6"),
        "langgraph_py_version": version("langgraph"),
        "flags": {"assistants": True, "crons": True, "langsmith": False},
    }
