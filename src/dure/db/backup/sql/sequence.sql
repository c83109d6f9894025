-- Where a sequence stands.
select last_value, is_called from {}
