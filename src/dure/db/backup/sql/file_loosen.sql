-- Rows come in by the names of their tables, not in the order of references.
alter table {table} drop constraint {constraint}
