-- Forgets that a process passed on channels other than these. Index: listening's primary key.
delete from dure.listening l
where l.hub_id = %(hub_id)s
  and not exists (select from unnest(%(tenants)s::text[], %(channels)s::text[]) w(tenant_id, channel)
                  where w.tenant_id = l.tenant_id and w.channel = l.channel)
