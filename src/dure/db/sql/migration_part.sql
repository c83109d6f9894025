-- One migration within the script for SQL editors: asks for itself whether it is needed. {text} runs as one string by
-- EXECUTE, which analyses each statement only when the ones before it are done.
DO {outer}
DECLARE
  known text;
BEGIN
  -- What a statement says that finds nothing to do would hide what this script says at its end.
  PERFORM set_config('client_min_messages', 'warning', true);
  PERFORM pg_advisory_xact_lock({lock});
  IF ({table}) THEN
    SELECT checksum INTO known FROM dure.migration WHERE number = {number} AND phase = {phase};
  END IF;
  IF known IS NULL THEN
    EXECUTE {inner}
{text}
{inner};
    INSERT INTO dure.migration (number, name, phase, checksum) VALUES ({number}, {name}, {phase}, {checksum});
    PERFORM dure.seal();
  ELSIF known <> {checksum} THEN
    RAISE EXCEPTION '%', {changed};
  END IF;
END
{outer};
