-- Whose chains there are. Locks nothing.
select tenant_id from dure.agent_log_head union select distinct tenant_id from dure.agent_log order by 1
