-- Changes a pattern; see dure.edit_pattern. Locks the pattern, and the version of the tenant's patterns.
select dure.edit_pattern(%(tenant)s, %(id)s, %(changes)s::text::jsonb, %(actor)s)::text
