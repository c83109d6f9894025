-- What the demo shows of the history. Locks nothing.
select knowledge_type, operation, count(*) as changes
from public.agent_knowledge_history
group by knowledge_type, operation
order by knowledge_type, operation
