-- Removes the examples that a catalogue's intents do not have any more. Locks them, and the version of what came with packs.
delete from dure.intent_pattern p
where p.tenant_id = '' and p.intent_key = any(%(keys)s::text[])
  and not exists (select from unnest(%(patterns)s::text[], %(keys)s::text[]) as n (pattern, intent_key)
                  where n.intent_key = p.intent_key and dure.pattern_key(n.pattern) = p.normalised)
