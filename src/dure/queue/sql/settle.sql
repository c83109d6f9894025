-- Ends attempts otherwise than by completion; see dure.settle. Answers which of them were still this worker's.
select dure.settle(%(outcomes)s::text::jsonb, %(closed)s::bigint[])::text[]
