"""The MCP tools, a file a toolset; each asks a service over HTTP for whom the caller is."""
