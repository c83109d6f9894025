-- What any client of PostgreSQL may send, knowing nothing of Dure.
INSERT INTO job_executions (tenant_id, intent_key, intent_params)
VALUES ('demo', 'dure.demo.echo', '{"asked": "in plain SQL"}') RETURNING id::text
