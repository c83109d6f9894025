-- The time by which Dure decides. Locks nothing.
select dure.now()
