-- Notes who did what; see dure.record. Locks nothing.
select dure.record(%(actor)s, %(verb)s, %(subject)s, %(detail)s::text::jsonb, %(tenant_id)s)
