-- A table of memories as mem0 makes it. Nothing changes when there is one.
create table if not exists {table} (id uuid primary key, vector vector(32), payload jsonb)
