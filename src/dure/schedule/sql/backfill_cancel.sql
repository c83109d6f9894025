-- What a cancelled backfill has not made will not be made. Locks those rows.
update dure.backfill_fire set state = 'cancelled' where backfill_id = %(id)s::text::uuid and state = 'pending'
