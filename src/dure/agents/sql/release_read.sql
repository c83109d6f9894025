-- Releases, the last made first, or the one of a version. Locks nothing. Index: release_tenant, release_key, release_current.
select r.id::text, r.tenant_id, r.class, r.version, r.release_type, r.compatible, r.notes, r.pin_knowledge, r.pinned_at, r.state, r.reason,
       r.created_by, r.created_at, r.current_at, r.ended_at
from dure.release r
where (%(tenant_id)s::text is null or r.tenant_id = %(tenant_id)s)
  and (%(class)s::text is null or r.class = %(class)s)
  and (%(version)s::text is null or r.version_key = dure.version_key(%(version)s))
  and (%(state)s::text is null or r.state = %(state)s)
  and (%(before)s::text is null or r.id < %(before)s::text::uuid)
order by r.id desc
limit %(limit)s
