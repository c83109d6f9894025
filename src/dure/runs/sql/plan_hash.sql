-- The hashes of a plan's chunks in order, as one. Index: chunk's primary key.
select encode(sha256(convert_to(coalesce(string_agg(no || ':' || place || ':' || hash, ',' order by no), ''), 'UTF8')), 'hex'), count(*)
from dure.chunk where run_id = %(id)s::text::uuid
