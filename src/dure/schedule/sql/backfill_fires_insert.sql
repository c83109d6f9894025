-- The fires of a new backfill. Locks the new rows.
insert into dure.backfill_fire (backfill_id, fire_at, tenant_id)
select %(id)s::text::uuid, i.fire_at, %(tenant_id)s from unnest(%(fires)s::timestamptz[]) as i(fire_at)
