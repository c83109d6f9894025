-- Gives a tenant its channels and releases, when it has none; and answers whether the example's tasks are there. Index: task_tenant.
select dure.begin_agents(%(tenant)s),
       exists (select from dure.task where tenant_id = %(tenant)s and trace_id = %(trace)s)
