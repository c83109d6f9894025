-- Takes back what dead workers hold, see the function; answers how much, and in how many seconds the next lease runs out.
select dure.sweep(), (select extract(epoch from min(lease_until) - dure.now())::double precision from dure.worker where ended_at is null)
