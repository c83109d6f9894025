-- Every row of a table as one text, in an order that no locale changes. Reads the whole table.
select t::text from {table} t order by t::text collate "C"
