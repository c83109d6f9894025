-- A tenant's releases, as people write them.
select class || ' v' || version, 'ok' from dure.release where tenant_id = %(tenant)s
