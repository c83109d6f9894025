-- Removes a pattern of the tenant's own; see dure.drop_pattern. Locks the pattern, and the version of the tenant's patterns.
select dure.drop_pattern(%(tenant)s, %(id)s)
