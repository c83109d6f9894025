-- Marks a slice as planned, in the transaction that writes its changes. Index: slice's primary key.
update dure.slice set planned_at = dure.now() where run_id = %(id)s::text::uuid and no = %(no)s and planned_at is null
