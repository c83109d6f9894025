-- Lets the planner know how many rows there are.
analyze pg_temp.dure_rehearsed_after
