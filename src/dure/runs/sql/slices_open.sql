-- How many slices there are, and how many of them are not planned. Index: slice's primary key.
select count(*), count(*) filter (where planned_at is null) from dure.slice where run_id = %(id)s::text::uuid
