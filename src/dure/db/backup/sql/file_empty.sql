-- A backup is no upgrade and overwrites nothing.
do $dure_empty$
begin
    if exists (select from pg_catalog.pg_namespace where nspname = 'dure') then
        raise exception '%', {message};
    end if;
end
$dure_empty$
