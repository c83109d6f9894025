-- A unit is done wholly or not at all. Temporary tables only.
update pg_temp.dure_undo u set code = 'undo_unit_mate', params = jsonb_build_object('seq', b.seq), does = false
from (select m.unit, min(m.seq) as seq from pg_temp.dure_undo m
      where m.unit is not null and not m.does and m.code <> 'undo_restored' group by m.unit) b
where u.unit = b.unit and u.does
