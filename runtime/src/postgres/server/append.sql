-- The functions that append. `{schema}` is the schema's quoted name.
--
-- Each statement of a VOLATILE function sees what was committed before that statement began, at READ COMMITTED. So a check
-- that comes after the lock sees the appends that the lock has waited for. In one statement with the lock it would not.

-- Takes the turn to append, and so many positions and numbers of streams. Returns the last of each before these. The
-- advisory lock makes a fair queue; many waiters on the row's own lock would all wake up and look at it again.
--
-- Fails unless this is the caller's store, and this session has begun with the token, if one is given: behind a pooler that
-- gives each transaction another session, a lock that is held for a session protects nothing. A schema that was dropped and
-- made again has another store, which an old session would take for its own.
--
-- It returns an array, as `append_one` does: for a row of several columns, the server would build a table.
CREATE FUNCTION {schema}.take_turn(store uuid, token text, events int, new_streams int) RETURNS bigint[]
LANGUAGE plpgsql VOLATILE AS $factum$
DECLARE
  turn bigint[];
BEGIN
  IF store <> '{id}' THEN
    RAISE EXCEPTION 'the schema has another store' USING ERRCODE = 'FA003';
  END IF;
  IF token IS NOT NULL AND current_setting('factum.token', true) IS DISTINCT FROM token THEN
    RAISE EXCEPTION 'this session has not begun with the token of the store' USING ERRCODE = 'FA001';
  END IF;
  PERFORM pg_advisory_xact_lock('{schema}.counter'::regclass::oid::int, 0);
  UPDATE {schema}.counter AS c SET position = c.position + events, stream = c.stream + new_streams
    RETURNING ARRAY[c.position - events, c.stream - new_streams] INTO turn;
  IF turn IS NULL THEN
    RAISE EXCEPTION 'the row of the counter is missing' USING ERRCODE = 'FA002';
  END IF;
  RETURN turn;
END $factum$;

-- Sets a timer, or cancels it if `t_due` is null. Returns whether one with its key was waiting.
CREATE FUNCTION {schema}.change_timer(
  t_key text, t_due bigint, t_id uuid, t_command text, t_version bigint, t_content text, t_cause uuid, t_correlation uuid
) RETURNS bool LANGUAGE plpgsql VOLATILE AS $factum$
DECLARE
  was_waiting bool;
BEGIN
  DELETE FROM {schema}.timers AS t WHERE t.key = t_key AND t.status = 0;
  was_waiting := FOUND;
  IF t_due IS NOT NULL THEN
    -- Another transaction may have set one meanwhile.
    INSERT INTO {schema}.timers AS t (key, due, id, command, version, content, cause, correlation, status)
      VALUES (t_key, t_due, t_id, t_command, t_version, t_content, t_cause, t_correlation, 0)
      ON CONFLICT (key) WHERE status = 0 DO UPDATE SET due = excluded.due, id = excluded.id, command = excluded.command,
        version = excluded.version, content = excluded.content, cause = excluded.cause, correlation = excluded.correlation;
  END IF;
  RETURN was_waiting;
END $factum$;

-- Appends a group of requests, each as a whole or not at all.
--
-- parts (a request has one for each stream): category, key, expected version (-1: any), id of the event that the stream
-- must end with (null: any), number of the request, number of events and keys.
-- waves: the last part and the last event of each run of parts in which no stream and no chain occurs twice.
-- events: number of the part, place within the part, and the columns. They are in the order of the parts.
-- keys: number of the part, and the columns; versions count from that of the stream. `k_waiting` is the command of a process that
-- waits to be sent, which the append takes out.
-- timers: number of the part, and the arguments of `change_timer`.
-- chains: request, number of the chain, whether the request rests on it, whether others may rest on the request.
--
-- An array without values is null. Most statements take single elements by their number: `unnest` would build a table for
-- each array.
--
-- The events of requests that are stored have the positions after `base`, in order. For each part: the version before, and
-- the problem (0 none, 1 another version, 2 void, 3 a known key, 4 a command that no longer waits). For each part with a known key: the first one.
CREATE FUNCTION {schema}.append(
  store uuid, token text, wave_parts int[], wave_events int[],
  p_category text[], p_key text[], p_expected bigint[], p_last uuid[], p_request int[], p_rows int[],
  e_part int[], e_place int[], e_name text[], e_version int[], e_id uuid[], e_at bigint[], e_correlation uuid[], e_causation uuid[],
  e_custom text[], e_payload text[],
  k_part int[], k_key text[], k_before int[], k_after int[], k_at bigint[], k_command text[], k_shape bigint[], k_content bigint[],
  k_structs bytea[], k_waiting bigint[], k_sent_at bigint[],
  t_part int[], t_key text[], t_due bigint[], t_id uuid[], t_command text[], t_version bigint[], t_content text[], t_cause uuid[],
  t_correlation uuid[],
  h_request int[], h_chain int[], h_rests bool[], h_is_base bool[],
  OUT base bigint, OUT versions bigint[], OUT problems int[],
  OUT n_part int[], OUT n_key text[], OUT n_before bigint[], OUT n_version bigint[], OUT n_at bigint[], OUT n_command text[],
  OUT n_shape bigint[], OUT n_content bigint[], OUT n_structs bytea[]
) LANGUAGE plpgsql VOLATILE AS $factum$
DECLARE
  events int := coalesce(cardinality(e_part), 0);
  has_keys bool := k_part IS NOT NULL;
  has_waiting bool := k_waiting IS NOT NULL;
  has_timers bool := t_part IS NOT NULL;
  has_chains bool := h_request IS NOT NULL;
  turn bigint[];
  stream_base bigint;
  newest bigint;
  first_part int := 1;
  last_part int;
  first_event int := 1;
  last_event int;
  broken int[] := '{}';
  void int[] := '{}';
  -- The requests of a wave that are refused, each as often as parts of it are: it only matters which they are.
  bad int[];
  ids bigint[];
  is_new bool[];
  v bigint[];
  w_problems int[];
  refused bigint[];
  stored int;
BEGIN
  turn := {schema}.take_turn(store, token, events, cardinality(p_category));
  base := turn[1];
  stream_base := turn[2];
  newest := base;
  versions := '{}';
  problems := '{}';
  FOR wave IN 1 .. cardinality(wave_parts) LOOP
    last_part := wave_parts[wave];
    last_event := wave_events[wave];
    IF has_chains AND cardinality(broken) > 0 THEN
      void := ARRAY(SELECT h.request FROM unnest(h_request, h_chain, h_rests) AS h(request, chain, rests)
                    WHERE h.rests AND h.chain = ANY (broken));
    END IF;

    IF has_waiting THEN
      -- Others may be taking them out, or holding them. The next statement sees what they have done.
      PERFORM FROM {schema}.process_commands AS c
        WHERE c.id = ANY (ARRAY(SELECT k.waiting FROM unnest(k_part, k_waiting) AS k(part, waiting)
                                WHERE k.part BETWEEN first_part AND last_part))
        ORDER BY c.id FOR UPDATE;
    END IF;
    SELECT array_agg(coalesce(found.id, stream_base + found.part)), array_agg(found.id IS NULL), array_agg(found.version),
           array_agg(found.problem), array_agg(found.request) FILTER (WHERE found.problem > 0)
      INTO ids, is_new, v, w_problems, bad
      FROM (
        SELECT p.part, p_request[p.part] AS request, s.id, coalesce(s.version, 0) AS version,
          CASE
            WHEN p_request[p.part] = ANY (void) THEN 2
            WHEN p_expected[p.part] >= 0 AND p_expected[p.part] <> coalesce(s.version, 0) THEN 1
            WHEN p_last[p.part] IS NOT NULL AND p_last[p.part] IS DISTINCT FROM s.last THEN 2
            ELSE 0
          END AS problem
        FROM generate_series(first_part, last_part) AS p(part)
        LEFT JOIN LATERAL (
          SELECT s.id, e.version, e.id AS last FROM {schema}.streams AS s
          LEFT JOIN LATERAL (SELECT e.version, e.id FROM {schema}.events AS e WHERE e.stream = s.id
                             ORDER BY e.version DESC LIMIT 1) AS e ON true
          WHERE s.category = p_category[p.part] AND s.key = p_key[p.part] LIMIT 1) AS s ON true
        -- One sort for all of the arrays.
        ORDER BY p.part
      ) AS found;
    IF has_keys THEN
      -- A statement of its own: a group without keys does not pay for the tables that this one opens.
      SELECT array_agg(checked.problem), array_agg(checked.request) FILTER (WHERE checked.problem > 0)
        INTO w_problems, bad
        FROM (
          SELECT p_request[p.part] AS request,
            CASE
              WHEN p_request[p.part] = ANY (void) THEN 2
              WHEN EXISTS (
                SELECT FROM unnest(k_part, k_key) AS given(part, key) JOIN {schema}.keys AS known ON known.key = given.key
                WHERE given.part = p.part AND known.stream = ids[p.part - first_part + 1]) THEN 3
              WHEN w_problems[p.part - first_part + 1] > 0 THEN w_problems[p.part - first_part + 1]
              WHEN has_waiting AND EXISTS (
                SELECT FROM unnest(k_part, k_waiting) AS k(part, waiting)
                WHERE k.part = p.part AND k.waiting IS NOT NULL
                AND NOT EXISTS (SELECT FROM {schema}.process_commands AS c WHERE c.id = k.waiting AND c.held = 0)) THEN 4
              ELSE 0
            END AS problem
          FROM generate_series(first_part, last_part) AS p(part)
          ORDER BY p.part
        ) AS checked;
    END IF;
    versions := versions || v;
    problems := problems || w_problems;

    IF true = ANY (is_new) THEN
      INSERT INTO {schema}.streams (id, category, key)
        SELECT ids[p.part - first_part + 1], p_category[p.part], p_key[p.part]
        FROM generate_series(first_part, last_part) AS p(part)
        WHERE is_new[p.part - first_part + 1] AND p_rows[p.part] > 0 AND (bad IS NULL OR p_request[p.part] <> ALL (bad));
    END IF;

    IF last_event >= first_event THEN
      refused := NULL;
      IF bad IS NOT NULL THEN
        -- For each event, how many up to it are refused.
        refused := ARRAY(SELECT count(*) FILTER (WHERE p_request[e_part[e.n]] = ANY (bad)) OVER (ORDER BY e.n)
                         FROM generate_series(first_event, last_event) AS e(n) ORDER BY e.n);
      END IF;
      INSERT INTO {schema}.events (position, stream, version, recorded_at, event_version, id, name, correlation, causation, custom, payload)
        SELECT newest + e.n - first_event + 1 - coalesce(refused[e.n - first_event + 1], 0), ids[e_part[e.n] - first_part + 1],
               v[e_part[e.n] - first_part + 1] + e_place[e.n], e_at[e.n], e_version[e.n], e_id[e.n], e_name[e.n],
               e_correlation[e.n], e_causation[e.n], e_custom[e.n], e_payload[e.n]
        FROM generate_series(first_event, last_event) AS e(n)
        WHERE bad IS NULL OR p_request[e_part[e.n]] <> ALL (bad);
      GET DIAGNOSTICS stored = ROW_COUNT;
      newest := newest + stored;
    END IF;

    IF has_keys THEN
      IF 3 = ANY (w_problems) THEN
        SELECT n_part || array_agg(known.part), n_key || array_agg(known.key), n_before || array_agg(known.before),
               n_version || array_agg(known.version), n_at || array_agg(known.recorded_at), n_command || array_agg(known.command),
               n_shape || array_agg(known.shape), n_content || array_agg(known.content), n_structs || array_agg(known.structs)
          INTO n_part, n_key, n_before, n_version, n_at, n_command, n_shape, n_content, n_structs
          FROM (
            SELECT DISTINCT ON (given.part) given.part, k.*
            FROM unnest(k_part, k_key) WITH ORDINALITY AS given(part, key, n)
            JOIN {schema}.keys AS k ON k.key = given.key AND k.stream = ids[given.part - first_part + 1]
            WHERE given.part BETWEEN first_part AND last_part AND w_problems[given.part - first_part + 1] = 3
            ORDER BY given.part, given.n
          ) AS known;
      END IF;
      INSERT INTO {schema}.keys (stream, key, before, version, recorded_at, command, shape, content, structs)
        SELECT ids[k.part - first_part + 1], k.key, v[k.part - first_part + 1] + k.before, v[k.part - first_part + 1] + k.after,
               k.at, k.command, k.shape, k.content, k.structs
        FROM unnest(k_part, k_key, k_before, k_after, k_at, k_command, k_shape, k_content, k_structs)
             AS k(part, key, before, after, at, command, shape, content, structs)
        WHERE k.part BETWEEN first_part AND last_part AND (bad IS NULL OR p_request[k.part] <> ALL (bad));
    END IF;

    IF has_waiting THEN
      -- 3 is the kind of an entry that says that a command was sent.
      WITH taken AS (
        DELETE FROM {schema}.process_commands AS c
          USING unnest(k_part, k_waiting, k_sent_at) AS k(part, waiting, at)
          WHERE c.id = k.waiting AND k.part BETWEEN first_part AND last_part AND (bad IS NULL OR p_request[k.part] <> ALL (bad))
          RETURNING c.id, c.process, c.instance, c.name, k.at, c.cause, c.key)
      INSERT INTO {schema}.process_history (process, instance, kind, name, at, cause, version, detail)
        SELECT t.process, t.instance, 3, t.name, t.at, t.cause, 0, t.key FROM taken AS t ORDER BY t.id;
    END IF;

    IF has_timers THEN
      PERFORM {schema}.change_timer(t.key, t.due, t.id, t.command, t.version, t.content, t.cause, t.correlation)
        FROM (
          SELECT * FROM unnest(t_part, t_key, t_due, t_id, t_command, t_version, t_content, t_cause, t_correlation)
            WITH ORDINALITY AS t(part, key, due, id, command, version, content, cause, correlation, n)
          WHERE t.part BETWEEN first_part AND last_part AND (bad IS NULL OR p_request[t.part] <> ALL (bad))
          ORDER BY t.n
        ) AS t;
    END IF;

    IF has_chains AND bad IS NOT NULL THEN
      broken := broken || ARRAY(SELECT h.chain FROM unnest(h_request, h_chain, h_is_base) AS h(request, chain, is_base)
                                WHERE h.is_base AND h.request = ANY (bad));
    END IF;
    first_part := last_part + 1;
    first_event := last_event + 1;
  END LOOP;
  IF newest <> base + events THEN
    UPDATE {schema}.counter SET position = newest;
  END IF;
END $factum$;

-- Appends one event to one stream, without keys: less work than arrays. Returns the position before the event, the stream's
-- version before it, and the problem, as `append` does.
CREATE FUNCTION {schema}.append_one(
  store uuid, token text, p_category text, p_key text, p_expected bigint, p_last uuid,
  e_name text, e_version int, e_id uuid, e_at bigint, e_correlation uuid, e_causation uuid, e_custom text, e_payload text
) RETURNS bigint[] LANGUAGE plpgsql VOLATILE AS $factum$
DECLARE
  turn bigint[];
  base bigint;
  stream_base bigint;
  version bigint := 0;
  problem int := 0;
  number bigint;
  last uuid;
BEGIN
  turn := {schema}.take_turn(store, token, 1, 1);
  base := turn[1];
  stream_base := turn[2];
  IF p_expected = 0 AND p_last IS NULL THEN
    -- A stream that is expected to be new most likely is.
    INSERT INTO {schema}.streams (id, category, key) VALUES (stream_base + 1, p_category, p_key)
      ON CONFLICT DO NOTHING RETURNING id INTO number;
  END IF;
  IF number IS NULL THEN
    SELECT s.id, e.version, e.id INTO number, version, last
      FROM {schema}.streams AS s
      LEFT JOIN LATERAL (SELECT e.version, e.id FROM {schema}.events AS e WHERE e.stream = s.id ORDER BY e.version DESC LIMIT 1) AS e ON true
      WHERE s.category = p_category AND s.key = p_key;
    version := coalesce(version, 0);
    IF p_expected >= 0 AND p_expected <> version THEN
      problem := 1;
    ELSIF p_last IS NOT NULL AND p_last IS DISTINCT FROM last THEN
      problem := 2;
    END IF;
    IF problem > 0 THEN
      UPDATE {schema}.counter SET position = base;
      RETURN ARRAY[base, version, problem];
    END IF;
    IF number IS NULL THEN
      number := stream_base + 1;
      INSERT INTO {schema}.streams (id, category, key) VALUES (number, p_category, p_key);
    END IF;
  END IF;
  INSERT INTO {schema}.events (position, stream, version, recorded_at, event_version, id, name, correlation, causation, custom, payload)
    VALUES (base + 1, number, version + 1, e_at, e_version, e_id, e_name, e_correlation, e_causation, e_custom, e_payload);
  RETURN ARRAY[base, version, problem];
END $factum$;

-- Stores a snapshot of a stream in place of an earlier one, without a wait for the disk: a lost one is taken again.
CREATE FUNCTION {schema}.save_snapshot(
  p_category text, p_key text, s_version bigint, s_position bigint, s_event uuid, s_taken_at bigint, s_fingerprint bigint,
  s_checksum bigint, s_state bytea
) RETURNS void LANGUAGE plpgsql VOLATILE AS $factum$
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  INSERT INTO {schema}.snapshots (stream, version, position, event, taken_at, fingerprint, checksum, state)
    SELECT s.id, s_version, s_position, s_event, s_taken_at, s_fingerprint, s_checksum, s_state
    FROM {schema}.streams AS s WHERE s.category = p_category AND s.key = p_key
    ON CONFLICT (stream) DO UPDATE SET version = excluded.version, position = excluded.position, event = excluded.event,
      taken_at = excluded.taken_at, fingerprint = excluded.fingerprint, checksum = excluded.checksum, state = excluded.state;
END $factum$;
