-- Takes away what an earlier plan of the same transaction left. Temporary tables only.
drop table if exists pg_temp.dure_undo
