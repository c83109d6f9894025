-- Says which channels a process passes on, to how many subscribers, until when unless renewed. Locks those rows, by name.
insert into dure.listening as l (hub_id, tenant_id, channel, subscribers, until)
select %(hub_id)s, w.tenant_id, w.channel, w.subscribers, dure.now() + make_interval(secs => %(for_s)s)
from unnest(%(tenants)s::text[], %(channels)s::text[], %(counts)s::integer[]) w(tenant_id, channel, subscribers)
order by w.tenant_id, w.channel
on conflict (hub_id, tenant_id, channel) do update set subscribers = excluded.subscribers, until = excluded.until
