-- One of them.
create table {table} partition of {parent} {bound}
