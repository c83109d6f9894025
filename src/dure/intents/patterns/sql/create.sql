-- Makes a pattern; no row when the tenant has it already. Locks it, and the version of the tenant's patterns.
insert into dure.intent_pattern (tenant_id, pattern, lang, intent_key, confidence, learned_from)
select %(tenant)s, %(pattern)s, %(lang)s, %(intent_key)s, %(confidence)s, %(actor)s
from dure.check_pattern(%(pattern)s, %(intent_key)s)
on conflict (tenant_id, normalised, intent_key) do nothing
returning id::text
