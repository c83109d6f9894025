-- A new run, in planning. Locks its row; the source of a rollback is locked by its own statement before.
insert into dure.run (tenant_id, operation, rollback_of, mode, params, author, note, then_do, asked_by_job)
values (%(tenant_id)s, %(operation)s, %(rollback_of)s, %(mode)s, %(params)s::text::jsonb, %(author)s, %(note)s, %(then_do)s,
        %(asked_by_job)s::text::uuid)
returning id::text
