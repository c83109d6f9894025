-- Holds a schedule's row until the end of the transaction. Locks that row. Index: schedule_name, or the primary key.
select s.id::text, dure.now() as now from dure.schedule s
where (s.id::text = %(ref)s or s.name = %(ref)s) and s.deleted_at is null
  and (%(tenant_id)s::text is null or s.tenant_id = %(tenant_id)s) and s.window_id is null
order by (s.id::text = %(ref)s) desc
limit 1
for update
