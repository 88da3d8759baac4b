"""The agent that the sample documents show is run here, so that they can not lie."""

import re
from pathlib import Path

from agents.events import Retrieved, Token
from agents.registry import Agent
from agents.runtime import AgentRequest, CompiledAgent, stream
from tests.agents.peers import ending

PAGE = Path(__file__).parents[2] / "knowledge/en/agents.md"


async def test_the_agent_of_the_page_answers(context, monkeypatch) -> None:
    code = next(block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL))
    assert len(code.splitlines()) <= 28
    module: dict = {"__name__": "agents.quote.graph"}
    exec(compile(code, "agents.md", "exec", dont_inherit=True), module)
    agent = Agent("capibara6-quote", "Quotes", module["build_graph"])
    monkeypatch.setitem(__import__("agents.registry").registry.AGENTS, agent.name, agent)
    graph = agent.build().compile()
    order = AgentRequest(agent.name, [{"role": "user", "content": "¿En qué puerto escucha la API?"}])
    ready = {agent.name: CompiledAgent(agent, graph, graph)}
    events = [event async for event in stream(ready, order, context=context)]
    assert {Retrieved, Token} <= {type(event) for event in events}
    assert "5000" in ending(events).answer.answer
    assert ending(events).answer.citations[0].document_id == "puertos"
