-- A month's open invoices that are past their day. Locks nothing. Index: invoice_status.
select i.id, s.name as student, i.due_on
from academy.invoice i join academy.student s on s.id = i.student_id
where i.tenant_id = %(tenant)s and i.month = %(month)s and i.status = 'open' and i.due_on < %(today)s
order by i.id
