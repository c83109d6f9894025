-- What became of a change that was intended; no row comes back for one that is settled already. Locks the outcome.
insert into dure.outcome (run_id, seq, tenant_id, state, reason, after, revision)
values (%(id)s::text::uuid, %(seq)s, %(tenant_id)s, %(state)s, %(reason)s::text::jsonb, %(after)s::text[], %(revision)s)
on conflict (run_id, seq) do update set state = excluded.state, reason = excluded.reason, after = excluded.after,
    revision = excluded.revision, at = dure.now()
where dure.outcome.state = 'intended'
returning seq
