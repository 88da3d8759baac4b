"""`python -m servers.mcp`: the stdio transport, for clients that start their servers themselves."""

from servers.mcp.main import run_stdio
from tools.settings import load_settings

run_stdio(load_settings())
