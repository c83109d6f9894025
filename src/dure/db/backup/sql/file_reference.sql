-- And is checked for all rows at once.
alter table {table} add constraint {constraint} {definition}
