-- A student of a name who is here. Index: student_name.
select id, birth_date from academy.student where tenant_id = %(tenant)s and name = %(name)s and status <> 'left' limit 1
