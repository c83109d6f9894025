-- Counts the rows of a table.
select count(*) from {table}
