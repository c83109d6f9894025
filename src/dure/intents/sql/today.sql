-- The day and the time, by the database's clock in a zone. Locks nothing.
select dure.now(), (dure.now() at time zone %(zone)s)::date
