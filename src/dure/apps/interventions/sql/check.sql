-- What of each user of a range decides whether there is something to recommend: one state and the kinds of record that are
-- missing, as bits. A state that settles it leaves the rest unasked. Locks nothing.
-- Indexes: the users' key; the interventions' unique one; (user, time) of every kind of record, or each is read whole.
-- Looked up user by user, with a limit that keeps the planner from joining: a table that has just been filled has no
-- statistics yet, and a join that takes it for empty compares every user with every row.
select u.{id}::text, {language},
       case when not ({active}) then 'inactive'
            when {opted_out} then 'opted_out'
            when m.made then 'made'
            else 'new' end as state,
       case when not ({active}) or {opted_out} or (m.made and not %(redo)s) then 0 else {missing} end as missing
from {users} u
left join lateral (
    select true as made from {interventions} i
    where i.{user} = u.{id} and i.{date} = %(date)s and i.{kind} = %(kind)s and i.{period} = %(period)s limit 1
) m on true
where {some} and {tenant}
order by u.{id}
