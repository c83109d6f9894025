-- Writes the way back as a plan, the last change first. A chunk of the source stays together, since its changes may lean on each
-- other; small ones that follow each other share one. By force, what is gone is made anew and what stands in the way is changed.
with sizes as (
    select chunk, count(*) as changes from pg_temp.dure_undo group by chunk
), segments as (
    select chunk, changes, changes >= %(share)s as is_large, count(*) filter (where changes >= %(share)s) over (order by chunk desc) as segment
    from sizes
), parts as (
    select chunk, segment, case when is_large then -1
           else (sum(changes) over (partition by segment, is_large order by chunk desc) - changes)::bigint / %(share)s end as part
    from segments
), places as (
    select chunk, dense_rank() over (order by segment, part) - 1 as no from parts
)
insert into dure.change (run_id, seq, chunk, tenant_id, store, kind, unit, undoes, subject, scope, key, to_key, before, after, revision, reason)
select %(run)s::text::uuid, u.no, p.no, %(tenant_id)s, u.store, f.kind, u.unit, u.seq, u.subject, u.scope,
       case when f.is_at_home then coalesce(u.to_key, u.key) else u.key end,
       case when not f.is_at_home then u.to_key end,
       case when f.kind <> 'create' then u.present end,
       case when f.kind <> 'delete' then u.wanted end,
       case when f.kind in ('update', 'delete') then u.revision end,
       case when u.does and u.code in ('undo_changed', 'undo_missing', 'undo_key_taken')
            then jsonb_build_object('code', 'undo_forced', 'params', jsonb_build_object('was', u.code) || u.params)
            else jsonb_build_object('code', u.code, 'params', u.params) end
from (select *, row_number() over (order by seq desc) as no from pg_temp.dure_undo) u
join places p on p.chunk = u.chunk
cross join lateral (
    select k.kind, k.kind = 'create' or (k.kind = 'keep' and u.kind = 'create') as is_at_home
    from (select case when not u.does then 'keep' when u.code = 'undo_missing' then 'create'
                      when u.code = 'undo_key_taken' then 'update' else u.kind end as kind) k) f
