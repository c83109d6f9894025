"""Where records live: Postgres tables, and stores outside the database."""
