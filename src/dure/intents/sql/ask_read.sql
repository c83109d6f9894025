-- One ask, and for how long it has been followed. Locks nothing. Index: primary key.
select id::text, tenant_id, sentence, lang, actor, candidates, request_id::text, problem, created_at,
       extract(epoch from dure.now() - created_at)::double precision
from dure.intent_ask
where id = %(id)s::uuid and (%(tenant)s::text is null or tenant_id = %(tenant)s)
