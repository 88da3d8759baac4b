"""Names of tenants: which are valid, and how they prefix the spaces that tenants share the graph server with.

Rows and Redis keys carry the tenant as it is; Milvus collections are named by the manifest.
"""

import re

DEFAULT = "default"
"""The deployment's own tenant."""
TENANT_PATTERN = r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$"
"""No two underscores in a row: they separate a tenant from its space's name, so no two pairs meet."""
MAX_TENANT_CHARS = 32
SEPARATOR = "__"


def is_tenant(name: str) -> bool:
    """Whether a tenant may have this name."""
    return len(name) <= MAX_TENANT_CHARS and re.fullmatch(TENANT_PATTERN, name) is not None


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
