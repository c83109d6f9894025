-- Takes away what an earlier rehearsal of the same transaction left. Temporary tables only.
drop table if exists pg_temp.dure_rehearsed, pg_temp.dure_rehearsed_after, pg_temp.dure_rehearsed_edge, pg_temp.dure_rehearsed_unit
