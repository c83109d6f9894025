-- Switches triggers of a table off or on. Locks the table against writers until the transaction ends.
alter table {table} {actions}
