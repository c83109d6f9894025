-- Learns a pattern, or learns it again; see dure.learn_pattern. Locks the pattern, and the version of the tenant's patterns.
select dure.learn_pattern(%(tenant)s, %(pattern)s, %(intent_key)s, %(lang)s, null, %(actor)s)::text
