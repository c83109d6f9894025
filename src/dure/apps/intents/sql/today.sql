-- The day, as a zone's clocks have it, by the database's clock.
select (dure.now() at time zone %(zone)s)::date
