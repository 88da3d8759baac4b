"""Other people's MCP clients and the protocol's conformance suite, in environments of their own."""
