"""The MCP server (:5003): the platform's tools for editors and assistants."""
