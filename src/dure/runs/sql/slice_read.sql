-- The subjects of a slice that was not planned yet; no row when it was. Locks the slice. Index: its primary key.
select subjects from dure.slice where run_id = %(id)s::text::uuid and no = %(no)s and planned_at is null for update
