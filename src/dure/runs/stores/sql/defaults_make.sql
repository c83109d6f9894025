-- Evaluates the defaults of a table's columns, as often as rows are wanted; takes numbers from sequences.
select {texts} from generate_series(1, %(count)s)
