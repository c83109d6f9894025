-- Suspects, the long dead, tasks out of time; see dure.tend_agents. Locks: agents one by one, then their jobs.
select dure.tend_agents(%(reap_after_s)s, %(force_after_s)s)
