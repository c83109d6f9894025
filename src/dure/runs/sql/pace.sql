-- Takes the next place in a store's pace; answers how many seconds away it is. Locks the store's row for an instant.
insert into dure.pace as p (store, next_at) values (%(store)s, clock_timestamp() + make_interval(secs => %(gap_s)s))
on conflict (store) do update set next_at = greatest(p.next_at, clock_timestamp()) + make_interval(secs => %(gap_s)s)
returning greatest(0, extract(epoch from next_at - clock_timestamp()) - %(gap_s)s)::double precision
