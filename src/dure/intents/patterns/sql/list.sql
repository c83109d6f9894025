-- A page of the patterns that hold for a tenant, newest first; null means any. Locks nothing. Index: intent_pattern_list.
select p.id::text, p.tenant_id = '' as is_shipped, p.pattern, p.lang, p.intent_key,
       dure.pattern_confidence(p.confidence, p.usage_count, p.success_count), p.confidence, p.usage_count, p.success_count,
       p.is_active, p.learned_from, p.last_used_at, p.updated_at
from dure.intent_pattern p
where p.tenant_id in (%(tenant)s, '') and p.id < %(before)s
  and not (p.tenant_id = '' and exists (select from dure.intent_pattern o
           where o.tenant_id = %(tenant)s and o.normalised = p.normalised and o.intent_key = p.intent_key))
  and (%(intent_key)s::text is null or p.intent_key = %(intent_key)s)
  and (%(lang)s::text is null or p.lang = %(lang)s)
  and (%(holding)s::text is null or position(dure.pattern_key(%(holding)s) in p.normalised) > 0)
  and (%(id)s::uuid is null or p.id = %(id)s)
order by p.id desc
limit %(limit)s
