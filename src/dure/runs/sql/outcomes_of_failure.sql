-- What stood in the way of a rollback that is done wholly or not at all; kept when its transaction is given up.
select seq, state, reason::text from dure.outcome
where run_id = %(id)s::text::uuid and state in ('conflict', 'failed') order by seq limit %(limit)s
