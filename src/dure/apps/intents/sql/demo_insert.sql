-- A row of the example.
insert into {table} ({columns}) values ({values})
