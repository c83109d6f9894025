-- Lets deleted schedules forget their calendar, so that it can go. Locks their rows.
update dure.schedule set calendar = null where tenant_id = %(tenant_id)s and calendar = %(name)s and deleted_at is not null
