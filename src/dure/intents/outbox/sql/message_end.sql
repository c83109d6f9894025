-- Says what became of a message. Locks: its row. Index: primary key.
update dure.outbox_message set state = %(state)s, error = %(error)s, sent_at = case when %(state)s = 'sent' then dure.now() end
where id = %(id)s::uuid and state = 'sending' returning id
