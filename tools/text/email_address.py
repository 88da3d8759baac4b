"""A mail address, as forms take it."""

EMAIL = r"^[^@\s<>,;:\"()\[\]\\]{1,64}@[^@\s<>,;:\"()\[\]\\]+\.[^@\s<>,;:\"()\[\]\\]+$"
"""One mail address and nothing that a mail's header could take for two."""
