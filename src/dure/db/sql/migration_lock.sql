-- One migration at a time in this database. A transaction's lock, so that it also holds behind a transaction pooler.
SELECT pg_advisory_xact_lock(%s)
