-- Reads the rows of creates and updates again after triggers had their say, and notes what is not as the plan has it.
-- Answers how many rows are there. Locks: outcomes.
with found as (
    select c.run_id, c.seq, c.tenant_id, c.after, {image} as image
    from dure.change c join {table} t on {match}
    where c.run_id = %(run_id)s and {picked} and c.kind in ('create', 'update')
), noted as (
    insert into dure.outcome (run_id, seq, tenant_id, state, after)
    select run_id, seq, tenant_id, 'applied', image from found where image is distinct from after
    on conflict (run_id, seq) do update
    set state = 'applied', reason = null, after = excluded.after, tries = outcome.tries + 1, at = dure.now()
)
select count(*) from found
