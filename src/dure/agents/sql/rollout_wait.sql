-- Holds a rollout and the releases of its class, waiting for whoever has them, and answers the time. Locks the class, then that row.
-- Index: the primary key.
with class as materialized (
    select pg_advisory_xact_lock(hashtext('dure.release'), hashtext(tenant_id || ' ' || class)) from dure.rollout where id = %(id)s::text::uuid
)
select dure.now() from (select count(*) from class) locked, dure.rollout r where r.id = %(id)s::text::uuid for update of r
