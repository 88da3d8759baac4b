"""Whose data it is: the names that tenants may have, and where each one's things lie in the shared stores."""

import re

DEFAULT = "default"
"""The deployment's own tenant."""
TENANT = r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$"
"""No two underscores in a row: they separate a tenant from its space's name, so no two pairs meet."""
LONGEST = 32
SEPARATOR = "__"


def is_tenant(name: str) -> bool:
    return len(name) <= LONGEST and re.fullmatch(TENANT, name) is not None


def space_name(tenant: str, name: str) -> str:
    """The graph space behind a tenant's name for it."""
    if tenant == DEFAULT and SEPARATOR not in name:
        return name
    return f"{tenant}{SEPARATOR}{name}"


def own_spaces(tenant: str, found: list[str]) -> list[str]:
    """Of the spaces `found`, this tenant's, under the names it uses."""
    prefix = tenant + SEPARATOR
    own = [name.removeprefix(prefix) for name in found if name.startswith(prefix)]
    return [name for name in found if SEPARATOR not in name] + own if tenant == DEFAULT else own
