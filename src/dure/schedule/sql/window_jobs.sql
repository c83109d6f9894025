-- The jobs of a window's schedule that are open: the tick in hand. Locks nothing.
select j.id::text, j.state from dure.schedule s join dure.job j on j.id = any (s.open_jobs)
where s.id = %(schedule_id)s::text::uuid and j.state in ('pending', 'processing')
