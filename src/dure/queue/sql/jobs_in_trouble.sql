-- Ids of jobs that failed, were cancelled or are quarantined, newest first, without a look at the completed ones.
-- Locks nothing. Index: trouble_list for a tenant, trouble_state for the system; both are read in order.
select t.job_id::text from dure.trouble t
where t.state = %(state)s and t.job_id < %(before)s::text::uuid order by t.job_id desc limit %(most)s
