"""What Alembic runs around a migration: on the connection that it is handed."""

from alembic import context

from jaxrestore.serving.records import models


def migrate() -> None:
    """Runs what Alembic was asked for, in one transaction."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=models.Base.metadata)
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":  # the name by which Alembic runs this file
    migrate()
