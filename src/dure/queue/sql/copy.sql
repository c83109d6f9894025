-- The rows of jobs, straight into the table: only its owner may.
copy dure.job (id, tenant_id, handler, lane_id, priority, max_retries, timeout_s, parent_id, created_at, params) from stdin
