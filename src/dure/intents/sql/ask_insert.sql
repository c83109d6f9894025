-- Notes a sentence that was asked with, and what was found. Locks: nothing but its own row.
insert into dure.intent_ask (tenant_id, sentence, lang, actor, candidates, request_id, problem)
values (%(tenant)s, %(sentence)s, %(lang)s, %(actor)s, %(candidates)s::text::jsonb, %(request)s::uuid, %(problem)s::text::jsonb)
returning id::text
