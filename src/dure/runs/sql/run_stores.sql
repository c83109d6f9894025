-- What the stores of a run look like now; planned and applied with just that. And what is to be known besides.
-- Locks the run's row.
update dure.run set stores = %(stores)s::text::jsonb, notes = %(notes)s::text::jsonb where id = %(id)s::text::uuid and state = 'planning' returning id::text
