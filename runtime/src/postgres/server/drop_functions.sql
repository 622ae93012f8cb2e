-- Removes the functions of an earlier version, whatever their arguments are. `{schema}` is the schema's quoted name.
DO $factum$
DECLARE
  function regprocedure;
BEGIN
  FOR function IN SELECT p.oid FROM pg_proc AS p WHERE p.pronamespace = '{schema}'::regnamespace LOOP
    EXECUTE 'DROP FUNCTION ' || function::text;
  END LOOP;
END $factum$;
