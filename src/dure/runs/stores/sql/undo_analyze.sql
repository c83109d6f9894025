-- Lets the planner know how many rows there are; nothing else analyses a temporary table.
analyze pg_temp.dure_undo (seq, store, kind, key, unit, does)
