-- Counts the rows that the statement wrote, whether they are different afterwards or not.
select count(*) from pg_temp.dure_rehearsed_after where image is not null
