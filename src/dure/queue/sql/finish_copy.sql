-- Puts copied jobs in line and wakes who sleeps.
select dure.finish_copy(%s, %s::smallint, %s::text::uuid[])
