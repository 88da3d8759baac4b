"""The MCP server (:5003): the platform's tools for other people's models, over streamable HTTP and stdio."""
