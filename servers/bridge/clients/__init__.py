"""Clients of the four stores; each has a deadline and a circuit breaker."""
