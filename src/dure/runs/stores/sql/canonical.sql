-- Puts texts through the input function of their columns, length and precision observed, and out again.
select v.at, {texts} from json_to_recordset(%(rows)s::json) as v(at integer, {columns})
