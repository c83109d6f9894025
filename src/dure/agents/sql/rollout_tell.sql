-- Publishes what became of a rollout: on its class's channel if there is one, then on the system's. Locks both channels, in the order of their names.
select dure.publish(%(tenant_id)s, t.name, %(body)s::text::jsonb, null, 'event')
from (select c.name from dure.channel c
      where c.tenant_id = %(tenant_id)s and c.name = 'agents.' || %(class)s and c.deleted_at is null
      union all select 'system.health') t
