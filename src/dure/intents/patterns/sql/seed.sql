-- Makes the patterns of a catalogue's examples, for all tenants, where they are not there yet. Always in one order, so that two
-- processes that start together wait for each other and do not lock each other out.
insert into dure.intent_pattern (tenant_id, pattern, lang, intent_key, confidence, learned_from)
select '', n.pattern, n.lang, n.intent_key, %(confidence)s, 'shipped'
from unnest(%(patterns)s::text[], %(langs)s::text[], %(keys)s::text[]) as n (pattern, lang, intent_key)
where dure.pattern_letters(n.pattern) >= 2 and length(n.pattern) <= 200
order by dure.pattern_key(n.pattern), n.intent_key
on conflict (tenant_id, normalised, intent_key) do nothing
