-- Keys of another store. `{schema}` is the schema's quoted name.

-- Stores idempotency keys with their outcomes: all, or none if one is known with another outcome. Returns the place of that
-- one among the given keys, and what is known; nulls if there is none.
CREATE FUNCTION {schema}.import_keys(
  store uuid, k_category text[], k_of text[], k_key text[], k_before bigint[], k_version bigint[], k_at bigint[], k_command text[],
  k_shape bigint[], k_content bigint[], k_structs bytea[],
  OUT place bigint, OUT n_key text, OUT n_before bigint, OUT n_version bigint, OUT n_at bigint, OUT n_command text,
  OUT n_shape bigint, OUT n_content bigint, OUT n_structs bytea
) LANGUAGE plpgsql VOLATILE AS $factum$
DECLARE
  turn bigint[];
BEGIN
  turn := {schema}.take_turn(store, NULL, 0, cardinality(k_key));
  SELECT g.n, k.key, k.before, k.version, k.recorded_at, k.command, k.shape, k.content, k.structs
    INTO place, n_key, n_before, n_version, n_at, n_command, n_shape, n_content, n_structs
    FROM unnest(k_category, k_of, k_key, k_before, k_version, k_at, k_command, k_shape, k_content, k_structs)
         WITH ORDINALITY AS g(category, stream, key, before, version, at, command, shape, content, structs, n)
    JOIN {schema}.streams AS s ON s.category = g.category AND s.key = g.stream
    JOIN {schema}.keys AS k ON k.stream = s.id AND k.key = g.key
    WHERE (k.before, k.version, k.recorded_at, k.command, k.shape, k.content, coalesce(k.structs, ''))
          IS DISTINCT FROM (g.before, g.version, g.at, g.command, g.shape, g.content, coalesce(g.structs, ''))
    ORDER BY g.n LIMIT 1;
  IF place IS NOT NULL THEN
    RETURN;
  END IF;
  INSERT INTO {schema}.streams (id, category, key)
    SELECT turn[2] + row_number() OVER (), new.category, new.stream
    FROM (SELECT DISTINCT g.category, g.stream FROM unnest(k_category, k_of) AS g(category, stream)
          WHERE NOT EXISTS (SELECT FROM {schema}.streams AS s WHERE s.category = g.category AND s.key = g.stream)) AS new;
  INSERT INTO {schema}.keys (stream, key, before, version, recorded_at, command, shape, content, structs)
    SELECT s.id, g.key, g.before, g.version, g.at, g.command, g.shape, g.content, g.structs
    FROM unnest(k_category, k_of, k_key, k_before, k_version, k_at, k_command, k_shape, k_content, k_structs)
         AS g(category, stream, key, before, version, at, command, shape, content, structs)
    JOIN {schema}.streams AS s ON s.category = g.category AND s.key = g.stream
    ON CONFLICT (stream, key) DO NOTHING;
END $factum$;
