"""What Alembic runs: on the connection it is given, inside the transaction that `vault.db` commits."""

from alembic import context

import vault.citus  # noqa: F401 - how tables are made where Citus spreads them

context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
