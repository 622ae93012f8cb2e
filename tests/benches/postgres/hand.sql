-- What the arms by hand write to. Each has its own tables, and the columns that factum has.
CREATE SCHEMA hand;
CREATE TABLE hand.streams (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, category text NOT NULL, key text NOT NULL, UNIQUE (category, key));

-- One event a transaction: a row gives the position, and every writer waits for it.
CREATE TABLE hand.counter (one bool PRIMARY KEY DEFAULT true, position bigint NOT NULL) WITH (fillfactor = 10);
INSERT INTO hand.counter (position) VALUES (0);
CREATE TABLE hand.naive_events (
  position bigint PRIMARY KEY, stream bigint NOT NULL, version bigint NOT NULL, recorded_at bigint NOT NULL, event_version int NOT NULL,
  id uuid NOT NULL, name text NOT NULL, correlation uuid, causation uuid, custom text, payload text NOT NULL, UNIQUE (stream, version));

-- Readers stay below the oldest transaction that is open; positions have gaps.
CREATE TABLE hand.xmin_events (
  position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, transaction xid8 NOT NULL DEFAULT pg_current_xact_id(), stream bigint NOT NULL,
  version bigint NOT NULL, recorded_at bigint NOT NULL, event_version int NOT NULL, id uuid NOT NULL, name text NOT NULL, correlation uuid,
  causation uuid, custom text, payload text NOT NULL, UNIQUE (stream, version));
CREATE INDEX ON hand.xmin_events (transaction, position);
CREATE FUNCTION hand.append_xmin(c text, k text, i uuid, t bigint, n text, p text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE s bigint; v bigint; at bigint;
BEGIN
  INSERT INTO hand.streams (category, key) VALUES (c, k) ON CONFLICT DO NOTHING RETURNING streams.id INTO s;
  IF s IS NULL THEN SELECT id INTO s FROM hand.streams WHERE category = c AND key = k; END IF;
  SELECT coalesce(max(version), 0) INTO v FROM hand.xmin_events WHERE stream = s;
  INSERT INTO hand.xmin_events (stream, version, recorded_at, event_version, id, name, payload) VALUES (s, v + 1, t, 1, i, n, p)
    RETURNING position INTO at;
  RETURN at;
END $$;

-- Many events a transaction, by arrays, for streams that are new.
CREATE TABLE hand.group_counter (one bool PRIMARY KEY DEFAULT true, position bigint NOT NULL, stream bigint NOT NULL) WITH (fillfactor = 10);
INSERT INTO hand.group_counter (position, stream) VALUES (0, 0);
CREATE TABLE hand.group_streams (id bigint PRIMARY KEY, category text NOT NULL, key text NOT NULL, UNIQUE (category, key));
CREATE TABLE hand.group_events (LIKE hand.naive_events INCLUDING ALL);
CREATE FUNCTION hand.append_group(c text[], k text[], i uuid[], t bigint[], n text[], p text[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE m int := cardinality(c); base bigint; streams bigint; ids bigint[]; versions bigint[];
BEGIN
  PERFORM pg_advisory_xact_lock('hand.group_counter'::regclass::oid::int, 0);
  UPDATE hand.group_counter SET position = position + m, stream = stream + m RETURNING position - m, stream - m INTO base, streams;
  SELECT array_agg(coalesce(s.id, streams + a.o) ORDER BY a.o), array_agg(coalesce(s.version, 0) ORDER BY a.o) INTO ids, versions
    FROM unnest(c, k) WITH ORDINALITY a(c, k, o)
    LEFT JOIN LATERAL (SELECT s.id, (SELECT e.version FROM hand.group_events e WHERE e.stream = s.id ORDER BY e.version DESC LIMIT 1) AS version
                       FROM hand.group_streams s WHERE s.category = a.c AND s.key = a.k LIMIT 1) s ON true;
  INSERT INTO hand.group_streams SELECT a.id, a.c, a.k FROM unnest(ids, c, k) a(id, c, k) WHERE a.id > streams;
  INSERT INTO hand.group_events (position, stream, version, recorded_at, event_version, id, name, payload)
    SELECT base + e.o, ids[e.o], versions[e.o] + 1, e.t, 1, e.i, e.n, e.p FROM unnest(i, t, n, p) WITH ORDINALITY e(i, t, n, p, o);
  RETURN base;
END $$;
CREATE FUNCTION hand.append_one(c text, k text, i uuid, t bigint, n text, p text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE base bigint; s bigint;
BEGIN
  PERFORM pg_advisory_xact_lock('hand.group_counter'::regclass::oid::int, 0);
  UPDATE hand.group_counter SET position = position + 1, stream = stream + 1 RETURNING position - 1, stream INTO base, s;
  INSERT INTO hand.group_streams VALUES (s, c, k);
  INSERT INTO hand.group_events (position, stream, version, recorded_at, event_version, id, name, payload) VALUES (base + 1, s, 1, t, 1, i, n, p);
  RETURN base;
END $$;
