-- How many records there are in the scopes that were counted, how many leave in all, how many of those were counted, and
-- which scopes would be left without a record; answered questions included. What a foreign key takes along was not counted
-- by the planner, so it is no part of a scope's sum. Index: primary keys.
with scope as (
    select s.scope, sum(s.population)::bigint as population from dure.run_scope s where s.run_id = %(id)s::text::uuid group by s.scope
), moved as (
    select c.scope, count(*) filter (where c.kind in ('delete', 'move') and c.to_key is null) as leaving_all,
           count(*) filter (where c.kind in ('delete', 'move') and c.to_key is null
                                  and c.reason ->> 'code' is distinct from 'cascade') as leaving,
           count(*) filter (where c.kind = 'create') as entering
    from dure.change c left join dure.answer a on a.run_id = c.run_id and a.seq = c.seq
    where c.run_id = %(id)s::text::uuid and c.kind <> 'keep' and (not c.ask or a.accepted) group by c.scope
)
select (select sum(population)::bigint from scope), (select coalesce(sum(leaving_all), 0)::bigint from moved),
       (select coalesce(sum(leaving), 0)::bigint from moved),
       (select coalesce(jsonb_agg(jsonb_build_array(e.scope, e.population, e.leaving, e.entering)), '[]') from (
            select s.scope, s.population, m.leaving, m.entering from scope s join moved m using (scope)
            where m.leaving > 0 and m.leaving >= s.population + m.entering order by s.scope limit %(limit)s) e)
