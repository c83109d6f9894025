"""PostgreSQL: pool, transactions, statements, migrations and the embedded server."""
