-- Whether there is an open class of a name. Index: class_open_name.
select id from academy.class where tenant_id = %(tenant)s and name = %(name)s and closed_on is null
