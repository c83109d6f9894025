-- Has each record hang deeper than those that it hangs on; done again until nothing changes.
update pg_temp.dure_rehearsed_unit u set depth = m.depth
from (select e.child, max(o.depth) + 1 as depth
      from pg_temp.dure_rehearsed_edge e join pg_temp.dure_rehearsed_unit o on o.id = e.parent group by e.child) m
where m.child = u.id and m.depth > u.depth
