-- How often a tenant has asked for what today, by the calendar of a zone. Locks nothing. Index: primary key.
select key, count from dure.intent_use where tenant_id = %(tenant)s and day = (dure.now() at time zone %(zone)s)::date
