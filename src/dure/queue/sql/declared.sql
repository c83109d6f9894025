-- Which declaration was written last: an equal one need not be written again.
select value #>> '{}' from dure.setting where name = 'handlers_declared'
