-- The example's users, unless there are users already; answers their ids in order.
insert into {table} ({columns})
select {values} from generate_series(1, %(count)s) n where not exists (select from {table})
returning {id}::text
