"""What the MCP server adds to the SDK's own, and the connector to the SDK's client."""
