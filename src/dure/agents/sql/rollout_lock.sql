-- Holds a rollout that is on its way and the releases of its class, and answers the time; no row when they are in another's hands, or it
-- is over. Locks the class, then that row. Index: the primary key.
select dure.now() from dure.rollout
where id = %(id)s::text::uuid and state in ('running', 'reverting')
  and pg_try_advisory_xact_lock(hashtext('dure.release'), hashtext(tenant_id || ' ' || class))
for update skip locked
