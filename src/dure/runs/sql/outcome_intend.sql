-- Writes down that a change is about to be made outside; answers whether that was written down before. Locks the outcome.
insert into dure.outcome (run_id, seq, tenant_id, state) values (%(id)s::text::uuid, %(seq)s, %(tenant_id)s, 'intended')
on conflict (run_id, seq) do nothing returning seq
