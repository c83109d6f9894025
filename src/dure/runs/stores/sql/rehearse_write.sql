-- Writes the plan: units into chunks that none of them is cut by, and within a chunk the steps in their order, so that what refers
-- goes before what it refers to, and all of one kind in one table is one statement. Most records hang on nothing: what needs a
-- unit's sum is worked out for the others alone.
with placed as (
    select r.id, s.step, u.unit, coalesce(u.depth, 0) as depth
    from pg_temp.dure_rehearsed r
    left join pg_temp.dure_rehearsed_unit u on u.id = r.id
    left join (select distinct child from pg_temp.dure_rehearsed_edge where is_early) early on early.child = r.id
    join unnest(%(tbls)s::integer[], %(kinds)s::text[], %(earlies)s::boolean[], %(steps)s::integer[]) s(tbl, kind, is_early, step)
      on s.tbl = r.tbl and s.kind = r.kind and s.is_early = (r.kind = 'update' and early.child is not null)
), linked as (
    select id, step, unit, depth, (row_number() over (partition by unit order by step, depth desc, id) - 1) / %(most)s as piece
    from placed where unit is not null
), units as (
    select unit, piece, min(min(step)) over (partition by unit) as step, count(*) as changes from linked group by unit, piece
    union all
    select id, 0, step, 1 from placed where unit is null
), chunks as (
    select unit, piece,
           (sum(changes) over (order by step, unit, piece) - changes)::bigint
               / (%(chunk)s - (select coalesce(max(changes), 1) from units) + 1) as chunk
    from units
), numbered as (
    select p.id, c.chunk, row_number() over (order by c.chunk, p.step, p.depth desc, p.id) as seq, p.is_linked, p.unit, p.piece
    from (select id, step, unit, depth, piece, true as is_linked from linked
          union all
          select id, step, id, depth, 0, false from placed where unit is null) p
    join chunks c on c.unit = p.unit and c.piece = p.piece
), firsts as (
    select unit, piece, min(seq) as seq from numbered where is_linked group by unit, piece
)
insert into dure.change (run_id, seq, chunk, tenant_id, store, kind, unit, key, to_key, before, after, revision, reason)
select %(run)s::text::uuid, n.seq, n.chunk, %(tenant_id)s, (%(stores)s::text[])[r.tbl], r.kind, f.seq, r.key, r.to_key, r.before, r.after,
       r.revision, e.reason
from numbered n
join pg_temp.dure_rehearsed r on r.id = n.id
left join firsts f on n.is_linked and f.unit = n.unit and f.piece = n.piece
left join (select distinct on (child) child, reason from pg_temp.dure_rehearsed_edge where reason is not null order by child, parent) e
       on e.child = r.id
order by n.seq
