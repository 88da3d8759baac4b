"""NebulaGraph's protocol on a socket: connections, sessions, users, values as thrift and JSON."""
