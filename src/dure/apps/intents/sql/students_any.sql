-- Whether a tenant has students. Index: student_name.
select exists (select from academy.student where tenant_id = %(tenant)s)
