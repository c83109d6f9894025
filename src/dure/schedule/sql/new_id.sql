-- A new id, by the database's clock: the order of ids is the order of time, whatever the clocks of the machines say.
-- Locks nothing.
select dure.uuid7()::text
