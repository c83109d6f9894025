-- A decision rule of the example data; one that is there already stays as it is.
insert into {table} (id, name, owner, type, bpmn, tenant_id, created_at)
values (%(id)s, %(name)s, %(owner)s, 'dmn', %(bpmn)s, %(tenant)s, %(at)s) on conflict (id) do nothing
