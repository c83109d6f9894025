-- From here on again.
alter table {table} enable trigger user
