-- Adds one change's outcome to its chunk, in the transaction that settles it. Index: chunk's primary key.
update dure.chunk set applied = applied + %(applied)s, conflicts = conflicts + %(conflicts)s, failed = failed + %(failed)s,
    skipped = skipped + %(skipped)s
where run_id = %(id)s::text::uuid and no = %(no)s
