-- Puts the rows afterwards beside those before, by key: another image is an update, and no row before a create.
insert into pg_temp.dure_rehearsed (tbl, kind, key, before, after, revision)
select %(tbl)s, case when t.ctid is null then 'create' else 'update' end,
       case when t.ctid is null then c.key else {key} end,
       case when t.ctid is not null then {image} end, c.image, case when t.ctid is not null then {revision} end
from pg_temp.dure_rehearsed_after c left join {table} t on {match}
where c.image is not null and (t.ctid is null or {image} <> c.image collate "C")
order by t.ctid
