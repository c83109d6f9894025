-- Every record that hangs on another one, or on which others hang, begins as a unit of its own.
insert into pg_temp.dure_rehearsed_unit (id, unit, depth)
select id, id, 0 from (select child as id from pg_temp.dure_rehearsed_edge union select parent from pg_temp.dure_rehearsed_edge) both_ends
