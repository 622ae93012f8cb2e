-- The tables of a store. `{schema}` is the schema's quoted name.

-- The mark of factum, the version of these tables, and the id that the store was made with.
CREATE TABLE {schema}.store (
  one bool PRIMARY KEY DEFAULT true CHECK (one),
  mark text NOT NULL,
  version int NOT NULL,
  id uuid NOT NULL
);

-- The position of the newest event, and the largest number of a stream. An append locks the row first, so positions follow
-- the order of commits. Free space keeps its updates on one page.
CREATE TABLE {schema}.counter (
  one bool PRIMARY KEY DEFAULT true CHECK (one),
  position bigint NOT NULL,
  stream bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO {schema}.counter (position, stream) VALUES (0, 0);

-- Names compare byte by byte, whatever the database's collation is. Rows are never updated: the version of a stream is that
-- of its newest event.
CREATE TABLE {schema}.streams (
  id bigint PRIMARY KEY,
  category text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  UNIQUE (category, key)
);

-- `event_version` has 32 bits without a sign. `recorded_at` counts microseconds since 1970. `custom` and `payload` are JSON
-- as text: `jsonb` would change it.
CREATE TABLE {schema}.events (
  position bigint PRIMARY KEY,
  stream bigint NOT NULL,
  version bigint NOT NULL,
  recorded_at bigint NOT NULL,
  event_version int NOT NULL,
  id uuid NOT NULL,
  name text COLLATE "C" NOT NULL,
  correlation uuid,
  causation uuid,
  custom text COLLATE "C",
  payload text COLLATE "C" NOT NULL,
  UNIQUE (stream, version)
);

-- Idempotency keys, with their commands and outcomes.
CREATE TABLE {schema}.keys (
  stream bigint NOT NULL,
  key text COLLATE "C" NOT NULL,
  before bigint NOT NULL,
  version bigint NOT NULL,
  recorded_at bigint NOT NULL,
  command text COLLATE "C",
  shape bigint,
  content bigint,
  structs bytea,
  PRIMARY KEY (stream, key)
);

CREATE TABLE {schema}.snapshots (
  stream bigint PRIMARY KEY,
  version bigint NOT NULL,
  position bigint NOT NULL,
  event uuid,
  taken_at bigint NOT NULL,
  fingerprint bigint NOT NULL,
  checksum bigint NOT NULL,
  state bytea NOT NULL
);
