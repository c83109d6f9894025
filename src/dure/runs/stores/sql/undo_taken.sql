-- Finds records to put back whose values another record has by now, where an index says that only one may have them. By force
-- the other one is written over, as far as it is one. Locks nothing.
update pg_temp.dure_undo u
set code = 'undo_key_taken', params = jsonb_build_object('columns', %(columns)s::jsonb, 'index', %(index)s::text, 'key', to_jsonb(f.key)),
    does = f.is_forced,
    key = case when f.is_forced then f.key else u.key end,
    to_key = case when f.is_forced then u.key else u.to_key end,
    present = case when f.is_forced then f.image else u.present end,
    revision = case when f.is_forced then f.revision else u.revision end
from (
    select distinct on (n.seq) n.seq, o.key, o.image, o.revision,
           %(force)s and n.kind = 'create' and n.present is null
               and not exists (select from pg_temp.dure_undo m where m.store = %(store)s and m.key = o.key) as is_forced
    from (select u.seq, u.kind, u.key, u.present, k.*
          from pg_temp.dure_undo u
          cross join lateral (select {expressions} from (select {values} offset 0) r({names}) where {condition}) k({labels})
          where u.store = %(store)s and u.does and u.wanted is not null and (u.kind <> 'update' or u.present is null or {changed})) n
    join (select {expressions}, {key}, {image}, {revision} from {table} t where {condition}) o({labels}, key, image, revision) on {equal}
    where o.key collate "C" <> n.key collate "C"
      and not exists (select from pg_temp.dure_undo m
                      where m.store = %(store)s and m.key = o.key collate "C" and m.does and m.kind in ('delete', 'update'))
    order by n.seq) f
where u.seq = f.seq
