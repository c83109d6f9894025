-- All or nothing: with a row too few or too many, nothing of this is kept.
do $dure_counts$
declare
    wanted jsonb := {wanted};
    name   text;
    found  bigint;
begin
    for name in select jsonb_object_keys(wanted) loop
        execute format('select count(*) from dure.%I', name) into found;
        if found <> (wanted ->> name)::bigint then
            raise exception '%', format({message}, name, found, wanted ->> name);
        end if;
    end loop;
end
$dure_counts$
