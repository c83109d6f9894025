-- Looks at the records of one table as they are now, and classes each. Locks nothing.
insert into pg_temp.dure_undo (seq, chunk, store, unit, subject, scope, kind, key, to_key, wanted, present, revision, code, params, does)
select c.seq, c.chunk, c.store, c.unit, c.subject, c.scope, c.kind, c.key, c.to_key, i.wanted, i.present, i.revision, k.code,
       case when k.code = %(clean)s then %(told)s::jsonb
            when k.code in ('undo_changed', 'undo_key_taken') then jsonb_build_object('columns', (
                select jsonb_agg(n.name order by n.at) from unnest(%(names)s::text[]) with ordinality n(name, at)
                where i.present[n.at] collate "C" is distinct from (case c.kind when 'create' then i.wanted[n.at] else i.done[n.at] end) collate "C"))
            else '{{}}' end,
       k.code = %(clean)s or %(force)s and k.code in ('undo_changed', 'undo_missing', 'undo_key_taken')
from ({source}) c
left join {table} t on {match}
cross join lateral (
    select case when t.ctid is not null then {image} end as present,
           case when t.ctid is not null then {revision} end as revision,
           case when c.done is not null then {done} end as done,
           case when c.was is not null then {wanted} end as wanted
    offset 0) i
cross join lateral (
    select case when c.kind = 'create' then case when i.present is null then %(clean)s
                                                 when i.present collate "C" = i.wanted collate "C" then 'undo_restored'
                                                 else 'undo_key_taken' end
                when i.present is null then case c.kind when 'delete' then 'undo_restored' else 'undo_missing' end
                when i.present collate "C" = i.done collate "C" then %(clean)s
                when c.kind = 'update' and c.to_key is null and i.present collate "C" = i.wanted collate "C" then 'undo_restored'
                else 'undo_changed' end as code) k
