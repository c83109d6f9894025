-- Asks for jobs of one handler with the same options; see dure.enqueue_batch. Ids come as one text: reading ten
-- thousand UUID objects would cost more than making the jobs.
select ids::text, created
from dure.enqueue_batch(%s, %s::text::jsonb, %s, %s::text::jsonb, %s::text[])
