-- Where a chunk's changes begin and end. Index: chunk's primary key.
select first_seq, last_seq from dure.chunk where run_id = %(id)s::text::uuid and no = %(no)s
