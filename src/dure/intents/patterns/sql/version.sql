-- The age of a tenant's patterns and of those that came with packs, and the day in a zone. Locks nothing. Index: the key.
select coalesce((select v.version from dure.intent_pattern_version v where v.tenant_id = %(tenant)s), 0),
       coalesce((select v.version from dure.intent_pattern_version v where v.tenant_id = ''), 0),
       (dure.now() at time zone %(zone)s)::date
