-- A value as a literal of one line, whatever it holds: what sends or pastes the file may change line ends.
case when {0}::text ~ '[\r\n]'
     then 'E' || replace(replace(ltrim(quote_literal({0}::text), 'E'), chr(10), '\n'), chr(13), '\r')
     else quote_nullable({0}::text) end
