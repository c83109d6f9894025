-- Counts the classes of what was worked out.
select code, does, count(*) from pg_temp.dure_undo group by code, does
