"""Runs Alembic's migrations of the bridge's tables, within the caller's transaction and lock.

The steps themselves are `migrations/versions/`.
"""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from tools.log import get_logger

VERSIONS = "capibara6_schema"
"""Alembic's own table, under a name that no other program's migrations use."""
log = get_logger("migrate")


def upgrade(connection: Connection, *, to: str = "head") -> None:
    """Run the steps that are missing, up to `to`. A database that a newer bridge has
    migrated is left alone: steps only add."""
    config = Config()
    config.set_main_option("script_location", "servers.bridge.clients.postgres:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes.update(connection=connection, version_table=VERSIONS)
    known = {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}
    current = MigrationContext.configure(connection, opts={"version_table": VERSIONS}).get_current_heads()
    if set(current) - known:
        log.warning("schema_is_newer", found=list(current))
        return
    command.upgrade(config, to)
