-- All patterns that a tenant's sentences are compared with: its own, and those that came with packs unless its own stand in their
-- place. In an order that no use and no edit of a confidence changes. Locks nothing. Index: intent_pattern_once.
select p.id::text, p.pattern, p.intent_key, dure.pattern_confidence(p.confidence, p.usage_count, p.success_count)
from dure.intent_pattern p
where p.tenant_id in (%(tenant)s, '') and p.is_active
  and not (p.tenant_id = '' and exists (select from dure.intent_pattern o
           where o.tenant_id = %(tenant)s and o.normalised = p.normalised and o.intent_key = p.intent_key))
order by p.normalised, p.intent_key
