-- What a plan holds, by store, kind, whether it is a question and whether somebody said yes to it. Index: change's primary key.
select c.store, c.kind, c.ask, coalesce(a.accepted, false), count(*)
from dure.change c left join dure.answer a on a.run_id = c.run_id and a.seq = c.seq
where c.run_id = %(id)s::text::uuid group by 1, 2, 3, 4 order by 1, 2, 3, 4
