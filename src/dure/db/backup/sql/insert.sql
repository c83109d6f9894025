-- One part of a table's rows; the numbers of identity columns come back too.
insert into {table} ({columns}) overriding system value values
