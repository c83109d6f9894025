-- Makes room for the rows of the next table.
truncate pg_temp.dure_rehearsed_after
