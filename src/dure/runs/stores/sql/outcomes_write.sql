-- Writes what became of changes that did not simply do as planned, or that are done in a later round. Locks: outcomes.
insert into dure.outcome (run_id, seq, tenant_id, state, reason)
select c.run_id, c.seq, c.tenant_id, o.state, o.reason::jsonb
from unnest(%(seqs)s::bigint[], %(states)s::text[], %(reasons)s::text[]) o(seq, state, reason)
join dure.change c on c.run_id = %(run_id)s and c.seq = o.seq
on conflict (run_id, seq) do update
set state = excluded.state, reason = excluded.reason, tries = outcome.tries + 1, at = dure.now()
