-- Rows are put back, nothing happens to them.
alter table {table} disable trigger user
