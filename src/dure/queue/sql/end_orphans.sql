-- Ends the waiting children of a job that was cancelled while it made them: whoever cancelled it could not see them yet.
-- Locks those jobs. Index: job_parent.
select dure.end_jobs(array_agg(c.id order by c.id), 'cancelled', 'Cancelled', p.error)
from dure.job p join dure.job c on c.parent_id = p.id
where p.id = %(id)s::text::uuid and p.state = 'cancelled' and c.state = 'pending'
group by p.error
