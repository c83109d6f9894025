-- Whether the role that logged in may become both of Dure's, which every transaction does.
select role_name,
    exists (select from pg_roles where rolname = role_name)
    and pg_has_role(current_user, (select oid from pg_roles where rolname = role_name),
                    case when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end)
from unnest(array['dure_app', 'dure_system']) as role_name
