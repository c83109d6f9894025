-- Who may act for whom, and what may be asked for. Every face ends in these checks, so that they are the same whoever
-- asks; what they refuse, they refuse with a code and the field at fault (dure.raise_error).

-- Who may act for whom. SECURITY DEFINER changes current_user but neither session_user nor the setting "role", so
-- those two tell who really calls.
create or replace function dure.is_system() returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
    select pg_has_role(case current_setting('role') when 'none' then session_user::text else current_setting('role') end,
                       'dure_system', 'MEMBER')
       and current_setting('role') <> 'dure_app'
$$;

create or replace function dure.acting_tenant(p_tenant text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    v_own    text := dure.tenant_id();
    v_tenant text := coalesce(p_tenant, v_own);
begin
    if v_own is not null and v_own is distinct from v_tenant then
        perform dure.raise_error('refused', 'tenant_id', 'this session may act for its own tenant only');
    elsif v_tenant is null then
        perform dure.raise_error('missing', 'tenant_id', 'tenant_id is missing');
    elsif v_own is null and not dure.is_system() then
        perform dure.raise_error('refused', 'tenant_id', 'no tenant is set for this session');
    elsif v_tenant !~* '^([a-z0-9_]|[^\x01-\x7f])(([a-z0-9_ .:@+-]|[^\x01-\x7f]){0,198}([a-z0-9_]|[^\x01-\x7f]))?$' then
        perform dure.raise_error('wrong_format', 'tenant_id', 'tenant_id must have 1 to 200 letters, digits and _ . : @ + -',
                                 '{"expected": "acme-1"}');
    end if;
    return v_tenant;
end $$;

-- The first thing wrong with a value, as {"code", "field", ...}, or NULL. Reads the part of JSON Schema that says what
-- must be there and of which type it is, as pydantic writes it; ranges and patterns are left to the worker.
create or replace function dure.value_problem(p_root jsonb, p_spec jsonb, p_value jsonb, p_path text) returns jsonb
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    v_kind    text := jsonb_typeof(p_value);
    v_types   text[];
    v_expect  text;
    v_name    text;
    v_one     jsonb;
    v_nearest jsonb;
    v_problem jsonb;
begin
    if p_spec ? '$ref' then
        return dure.value_problem(p_root, p_root #> string_to_array(substr(p_spec ->> '$ref', 3), '/'), p_value, p_path);
    elsif jsonb_typeof(p_spec) is distinct from 'object' then
        return null;
    end if;
    for v_one in select e from jsonb_array_elements(p_spec -> 'allOf') e loop
        v_problem := dure.value_problem(p_root, v_one, p_value, p_path);
        if v_problem is not null then
            return v_problem;
        end if;
    end loop;
    for v_one in select e from jsonb_array_elements(coalesce(p_spec -> 'anyOf', p_spec -> 'oneOf')) e loop
        v_problem := dure.value_problem(p_root, v_one, p_value, p_path);
        exit when v_problem is null;
        -- An alternative that fits but for something inside says more than "none fits".
        v_nearest := case when v_problem ->> 'field' <> p_path then v_problem else v_nearest end;
        v_expect := concat_ws(', ', v_expect, v_problem ->> 'expected');
    end loop;
    if v_problem is not null then
        return coalesce(v_nearest, jsonb_build_object('code', 'wrong_type', 'field', p_path, 'expected', v_expect));
    end if;
    v_types := case jsonb_typeof(p_spec -> 'type')
        when 'string' then array[p_spec ->> 'type'] when 'array' then array(select jsonb_array_elements_text(p_spec -> 'type')) end;
    if not (v_kind = any (v_types)
            or v_kind = 'number' and 'integer' = any (v_types) and (p_value #>> '{}')::numeric % 1 = 0) then
        return jsonb_build_object('code', 'wrong_type', 'field', p_path, 'expected', array_to_string(v_types, ', '));
    elsif p_spec ? 'const' and p_spec -> 'const' <> p_value then
        return jsonb_build_object('code', 'not_one_of', 'field', p_path, 'expected', p_spec ->> 'const');
    elsif p_spec ? 'enum' and not exists (select from jsonb_array_elements(p_spec -> 'enum') e where e = p_value) then
        return jsonb_build_object('code', 'not_one_of', 'field', p_path,
                                  'expected', (select string_agg(e, ', ') from jsonb_array_elements_text(p_spec -> 'enum') e));
    elsif v_kind = 'object' then
        return dure.object_problem(p_root, p_spec, p_value, p_path);
    elsif v_kind = 'array' and p_spec ?| '{items,prefixItems}' then
        for v_name, v_one in select ord - 1, e from jsonb_array_elements(p_value) with ordinality t(e, ord) loop
            v_problem := dure.value_problem(p_root, coalesce(p_spec -> 'prefixItems' -> v_name::integer, p_spec -> 'items'),
                                            v_one, format('%s[%s]', p_path, v_name));
            exit when v_problem is not null;
        end loop;
        return v_problem;
    end if;
    return null;
end $$;

create or replace function dure.object_problem(p_root jsonb, p_spec jsonb, p_value jsonb, p_path text) returns jsonb
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    v_known   jsonb := coalesce(p_spec -> 'properties', '{}');
    v_name    text;
    v_one     jsonb;
    v_problem jsonb;
begin
    for v_name in select n from jsonb_array_elements_text(p_spec -> 'required') n loop
        if not p_value ? v_name then
            return jsonb_build_object('code', 'missing', 'field', p_path || '.' || v_name);
        end if;
    end loop;
    for v_name, v_one in select key, value from jsonb_each(p_value) loop
        if v_known ? v_name then
            v_problem := dure.value_problem(p_root, v_known -> v_name, v_one, p_path || '.' || v_name);
        elsif p_spec -> 'additionalProperties' = 'false' then
            v_problem := jsonb_build_object('code', 'unknown_field', 'field', p_path || '.' || v_name);
        else
            v_problem := dure.value_problem(p_root, p_spec -> 'additionalProperties', v_one, p_path || '.' || v_name);
        end if;
        if v_problem is not null then
            return v_problem;
        end if;
    end loop;
    return null;
end $$;

create or replace function dure.params_problem(p_schema jsonb, p_params jsonb) returns jsonb
language sql immutable set search_path = pg_catalog, pg_temp as $$
    select dure.value_problem(p_schema, p_schema, p_params, 'params')
$$;

create or replace function dure.check_params(p_schema jsonb, p_params jsonb) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    v_bytes_max integer := coalesce((select value::text::integer from dure.setting where name = 'payload_bytes_max'), 262144);
    v_depth_max integer := coalesce((select value::text::integer from dure.setting where name = 'payload_depth_max'), 32);
    v_deeper    jsonpath := format('strict $.**{%s}', v_depth_max + 1)::jsonpath;
    v_bad       record;
begin
    if jsonb_typeof(p_params) <> 'array' then
        perform dure.raise_error('wrong_type', 'params', 'the parameters of a batch must be an array of objects', '{"expected": "array"}');
    end if;
    -- A document nested n deep has at least 2n characters: only longer ones are walked.
    select ordinality as ord, jsonb_typeof(e) as kind, octet_length(e::text) as bytes into v_bad
    from jsonb_array_elements(p_params) with ordinality as t(e, ordinality)
    where jsonb_typeof(e) <> 'object'
       or (octet_length(e::text) > 2 * v_depth_max
           and (octet_length(e::text) > v_bytes_max or jsonb_path_exists(e, v_deeper)))
    limit 1;
    if not found then
        null;
    elsif v_bad.kind <> 'object' then
        perform dure.raise_error('wrong_type', 'params', 'params must be a JSON object, not ' || v_bad.kind,
                                 jsonb_build_object('expected', 'object'));
    elsif v_bad.bytes > v_bytes_max then
        perform dure.raise_error('too_large', 'params', format('params has %s bytes, the limit is %s', v_bad.bytes, v_bytes_max),
                                 jsonb_build_object('size_bytes', v_bad.bytes, 'max_bytes', v_bytes_max));
    else
        perform dure.raise_error('too_deep', 'params', format('params is nested deeper than %s', v_depth_max),
                                 jsonb_build_object('depth', v_depth_max + 1, 'max', v_depth_max));
    end if;
    if p_schema is not null then
        select problem into v_bad
        from jsonb_array_elements(p_params) e cross join lateral dure.params_problem(p_schema, e) problem
        where problem is not null limit 1;
        if found then
            perform dure.raise_error(v_bad.problem ->> 'code', v_bad.problem ->> 'field',
                format('%s: %s', v_bad.problem ->> 'field', replace(v_bad.problem ->> 'code', '_', ' ')), v_bad.problem);
        end if;
    end if;
end $$;

create or replace function dure.check_options(p_options jsonb) returns void
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    v_name text;
    v_kind text;
    v_want text;
    v_low  numeric;
    v_high numeric;
begin
    if jsonb_typeof(p_options) <> 'object' then
        perform dure.raise_error('wrong_type', 'options', 'options must be a JSON object', '{"expected": "object"}');
    end if;
    for v_name, v_kind in select key, jsonb_typeof(value) from jsonb_each(p_options) where value <> 'null' loop
        v_want := case v_name
            when 'queue' then 'string' when 'run_at' then 'string' when 'deadline_at' then 'string'
            when 'parent_id' then 'string' when 'limit_key' then 'string'
            when 'priority' then 'number' when 'max_retries' then 'number' when 'timeout_s' then 'number'
            when 'delay_s' then 'number' when 'unique_for_s' then 'number'
            when 'depends_on' then 'array' when 'tags' then 'array' end;
        if v_want is null then
            perform dure.raise_error('unknown_field', v_name, v_name || ' is not an option of a job');
        elsif v_want <> v_kind then
            perform dure.raise_error('wrong_type', v_name, format('%s must be a %s', v_name, v_want),
                                     jsonb_build_object('expected', v_want));
        end if;
        if v_want = 'number' then
            select low, high into v_low, v_high from (values
                ('priority', -1000::numeric, 1000::numeric), ('max_retries', 0, 100), ('timeout_s', 0.001, 604800),
                ('delay_s', 0, 315360000), ('unique_for_s', 0, 315360000)) as r(name, low, high) where r.name = v_name;
            if (p_options ->> v_name)::numeric not between v_low and v_high
               or (v_name in ('priority', 'max_retries') and (p_options ->> v_name)::numeric % 1 <> 0) then
                perform dure.raise_error('out_of_range', v_name, format('%s must be between %s and %s', v_name, v_low, v_high),
                                         jsonb_build_object('min', v_low, 'max', v_high));
            end if;
        end if;
    end loop;
    if length(p_options ->> 'queue') not between 1 and 100 then
        perform dure.raise_error('out_of_range', 'queue', 'queue must have 1 to 100 characters', '{"min": 1, "max": 100}');
    elsif length(p_options ->> 'limit_key') not between 1 and 500 then
        perform dure.raise_error('out_of_range', 'limit_key', 'limit_key must have 1 to 500 characters', '{"min": 1, "max": 500}');
    elsif jsonb_array_length(coalesce(nullif(p_options -> 'depends_on', 'null'), '[]')) > 1000 then
        perform dure.raise_error('out_of_range', 'depends_on', 'a job may depend on at most 1000 jobs', '{"min": 0, "max": 1000}');
    elsif jsonb_array_length(coalesce(nullif(p_options -> 'tags', 'null'), '[]')) > 50 then
        perform dure.raise_error('out_of_range', 'tags', 'a job may have at most 50 tags', '{"min": 0, "max": 50}');
    elsif exists (select from jsonb_array_elements(nullif(p_options -> 'tags', 'null')) e
                  where jsonb_typeof(e) <> 'string' or length(e #>> '{}') not between 1 and 200) then
        perform dure.raise_error('wrong_type', 'tags', 'a tag is a string of 1 to 200 characters', '{"expected": "string"}');
    end if;
end $$;

create or replace function dure.read_time(p_options jsonb, p_name text) returns timestamptz
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    v_at timestamptz;
begin
    v_at := (p_options ->> p_name)::timestamptz;
    if v_at > dure.now() + interval '3650 days' or v_at < '2000-01-01Z' or not isfinite(v_at) then
        perform dure.raise_error('out_of_range', p_name, p_name || ' must be between the year 2000 and ten years from now',
                                 '{"min": "2000-01-01", "max": "now + 10 years"}');
    end if;
    return v_at;
exception when datetime_field_overflow or invalid_datetime_format or invalid_parameter_value
             or invalid_time_zone_displacement_value then
    perform dure.raise_error('wrong_type', p_name, p_name || ' is not a time', '{"expected": "time"}');
    return null;
end $$;

create or replace function dure.read_ids(p_options jsonb, p_name text) returns uuid[]
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    return case jsonb_typeof(p_options -> p_name)
        when 'string' then array[(p_options ->> p_name)::uuid]
        when 'array' then array(select distinct v::uuid from jsonb_array_elements_text(p_options -> p_name) v order by 1) end;
exception when invalid_text_representation then
    perform dure.raise_error('wrong_type', p_name, p_name || ' must hold job ids', '{"expected": "uuid"}');
    return null;
end $$;

create or replace function dure.check_keys(p_keys text[], p_count integer) returns void
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    if cardinality(p_keys) <> p_count then
        perform dure.raise_error('out_of_range', 'unique_key', 'there must be one unique key for each job', '{"min": 1, "max": 1}');
    elsif exists (select from unnest(p_keys) k where length(k) not between 1 and 500) then
        perform dure.raise_error('out_of_range', 'unique_key', 'unique_key must have 1 to 500 characters', '{"min": 1, "max": 500}');
    end if;
end $$;

grant execute on function dure.is_system, dure.acting_tenant, dure.params_problem to dure_app, dure_system;
