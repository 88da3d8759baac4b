"""Nebula's protocol on a socket: connections, sessions, users, values on the wire."""
