-- What an application asks between two chunks. Locks nothing. Index: run's primary key.
select state, paused_at is not null, stop_asked_at is not null from dure.run where id = %(id)s::text::uuid
