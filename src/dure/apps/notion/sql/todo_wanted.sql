-- Whether the tick that asked for a to-do's job still goes on; one that nobody asked for is wanted. Index: job's primary key.
select coalesce(bool_and(t.state in ('pending', 'processing') and t.cancel_requested_at is null), true)
from dure.job j join dure.job t on t.id = j.parent_id
where j.id = %(job)s::text::uuid and j.tenant_id = %(tenant)s
