"""What a run's row orders of an agent. Pure."""

from agents.conversation.ownership import thread_id_of
from agents.graph_options import options_of
from agents.runtime import AgentRequest
from servers.api.runs.tables import RunRow


def order_of(row: RunRow, *, restarted: bool) -> AgentRequest:
    """What the agent is asked; a run that was `restarted` goes on after its last step."""
    thread_id = thread_id_of(row.thread_id)
    return AgentRequest(
        agent_of(row),
        row.request.get("messages", []),
        instructions=row.request.get("instructions", ""),
        thread_id=thread_id,
        owner=row.thread_id.removesuffix(thread_id),
        run_id=row.run_id,
        durable=True,
        again=restarted,
        command=row.request.get("command"),
        options=options_of(row.request.get("options", {})),
    )


def agent_of(row: RunRow) -> str:
    """Whose graph a run is: the agent's that was asked, or that the assistant is made of."""
    return row.request.get("agent", row.agent_id)
