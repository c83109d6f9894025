-- Spreads the smallest number of neighbours; when nothing changes any more, each unit has one number.
update pg_temp.dure_rehearsed_unit u set unit = m.unit
from (select n.id, min(n.unit) as unit
      from (select e.child as id, o.unit from pg_temp.dure_rehearsed_edge e join pg_temp.dure_rehearsed_unit o on o.id = e.parent
            union all
            select e.parent, o.unit from pg_temp.dure_rehearsed_edge e join pg_temp.dure_rehearsed_unit o on o.id = e.child) n
      group by n.id) m
where m.id = u.id and m.unit < u.unit
