-- Changes of scopes that nobody counted, where scopes were counted: records that were not asked for. Index: primary keys.
select c.seq, c.store, c.key from dure.change c
where c.run_id = %(id)s::text::uuid and c.kind <> 'keep'
  and exists (select from dure.run_scope s where s.run_id = c.run_id)
  and not exists (select from dure.run_scope s where s.run_id = c.run_id and s.scope = c.scope)
order by c.seq limit %(limit)s
