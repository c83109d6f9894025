-- A person says what became of a message, or takes one back. Locks: its row. Index: primary key.
update dure.outbox_message set state = %(state)s, decided_by = %(actor)s, sent_at = case when %(state)s = 'sent' then dure.now() end
where id = %(id)s::uuid and (%(tenant)s::text is null or tenant_id = %(tenant)s) and state = any (%(wanted)s::text[]) returning id
