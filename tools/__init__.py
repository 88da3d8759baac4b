"""Ground floor: settings, wire types, errors, clients and the tools that agents, servers and the UI share."""
