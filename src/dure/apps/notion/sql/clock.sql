-- The time by which Dure decides.
select dure.now()
