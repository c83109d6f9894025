-- Checks what is said about jobs that come by COPY, and answers the columns that they have in common.
select lane_id, priority, max_retries, timeout_s, parent_id::text, made_at from dure.prepare_copy(%s, %s, %s::text::jsonb)
