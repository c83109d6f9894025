-- Removes a calendar that no schedule names; refused by the foreign key otherwise. Locks its row.
delete from dure.calendar where tenant_id = %(tenant_id)s and name = %(name)s returning name
