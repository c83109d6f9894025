-- Ends a chunk with what became of its changes, in the transaction that did them; a later round adds to the first.
-- Index: chunk's primary key.
update dure.chunk set state = 'done', job_id = %(job_id)s::text::uuid, applied = applied + %(applied)s, conflicts = conflicts + %(conflicts)s,
    failed = failed + %(failed)s, skipped = skipped + %(skipped)s, started_at = coalesce(started_at, dure.now()), finished_at = dure.now()
where run_id = %(id)s::text::uuid and no = %(no)s and state <> 'done' returning no
