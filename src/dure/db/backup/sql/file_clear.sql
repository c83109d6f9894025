-- What the migrations put in comes with the rows.
truncate {tables}
