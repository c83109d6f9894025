-- Notes a use of a pattern; see dure.use_pattern. Locks the pattern, and the version of the tenant's patterns.
select dure.use_pattern(%(tenant)s, %(id)s, %(success)s)::text
