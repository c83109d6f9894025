-- Handlers of which only the name is known yet; what is known of one already stays.
insert into dure.handler (handler) select name from unnest(%(names)s::text[]) name order by name on conflict do nothing
