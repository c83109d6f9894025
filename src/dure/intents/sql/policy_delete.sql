-- Removes a policy. Locks: its row.
delete from dure.intent_policy where tenant_id = %(tenant)s and key = %(key)s returning key
