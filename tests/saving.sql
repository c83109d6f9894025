-- Rows of every awkward kind, a statement a line group; the parameter is a text that is hard to write down.
insert into dure.handler (handler) values ('t.h');
select dure.enqueue('t.h', jsonb_build_object('n', n, 'text', %(text)s::text), 'acme', tags => array[%(text)s::text, 'b']) from generate_series(1, 300) n;
select dure.enqueue('t.h', '{}', 'acme', depends_on => array[(select min(id::text)::uuid from dure.job)]);
insert into dure.job_log (job_id, tenant_id, attempt, level, message) select id, 'acme', 1, 'info', %(text)s::text from dure.job limit 3;
insert into dure.event (at, tenant_id, actor, verb, subject, detail)
values ('-infinity', null, %(text)s::text, 'v', 's', '{"f": 1e300}'), ('0044-03-15 12:00:00.000001 BC', 'acme', 'a', 'v', 's', '[]');
insert into dure.api_key (name, digest, scope) values ('k', '\x00ff5c0a27', 'admin');
insert into agent_registry (agent_id, agent_type, agent_class, version, capabilities)
values ('orch-1', 'parent', 'orchestrator', '2.1.0', '{plan}'), ('exec-1', 'child', 'executor', '1.8.3', '{run,index:ko}');
insert into agent_hierarchy (parent_agent_id, child_agent_id, protocol_config) values ('orch-1', 'exec-1', '{"depth": 2}');
insert into distributed_tasks (title, payload, agent_class) select 'task ' || n, '{"a": 0.1}', 'executor' from generate_series(1, 5) n;
insert into agent_communication_logs (from_agent_id, to_agent_id, protocol, latency_ms) values ('orch-1', 'exec-1', 'http', 0.1), ('exec-1', 'orch-1', 'http', 1e-9);
select dure.seal_log();
insert into agent_communication_logs (from_agent_id, to_agent_id, protocol) values ('orch-1', 'exec-1', 'http');
insert into dure.agent_minute (tenant_id, class, minute, version, agent_id, tasks_ok, latency) values ('default', 'executor', '2026-01-01Z', '1.8.3', 'exec-1', 3, '{0,1,2}');
