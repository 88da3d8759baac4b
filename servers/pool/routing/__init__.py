"""The router behind `auto`: which model a question deserves, and why."""
