-- What everyone's agents begin with, where it is missing, and what there is: for clients that show notices.
do $dure_agents$
declare
    line text;
begin
    perform set_config('client_min_messages', 'notice', true);
    perform dure.begin_agents('default');
    for line in select r from dure.agents_report('default') r loop
        raise notice '%', line;
    end loop;
end
$dure_agents$
