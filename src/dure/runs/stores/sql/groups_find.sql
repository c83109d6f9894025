-- Lists where in a range a group of changes of the same kind in the same store begins, and how many changes come before.
-- One walk along the primary key of dure.change; locks nothing.
select seq, store, kind, no - 1 as before
from (select seq, store, kind, row_number() over w as no, lag(store) over w as store_before, lag(kind) over w as kind_before
      from dure.change
      where run_id = %(run_id)s and seq between %(first)s and %(last)s and kind <> 'keep'
      window w as (order by seq)) c
where store_before is distinct from store or kind_before is distinct from kind
order by seq
limit %(most)s
