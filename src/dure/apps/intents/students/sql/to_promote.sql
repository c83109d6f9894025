-- Who is here and in a grade, in a stable order. Locks nothing. Index: student_status.
select id, name, grade from academy.student
where tenant_id = %(tenant)s and status in ('enrolled', 'paused') and grade is not null
order by id
