-- Agents of a release's class with a session: those of its version, or those that may not work beside it. Locks nothing. Index: agent_class.
select a.agent_id from dure.agent a join dure.release r on r.tenant_id = a.tenant_id and r.class = a.class
where r.id = %(id)s::text::uuid and a.epoch is not null
  and case %(which)s when 'this' then dure.version_key(a.version) = r.version_key
      else coalesce(dure.version_key(a.version) < r.low_key or dure.version_key(a.version) >= r.high_key, true) end
order by a.agent_id
