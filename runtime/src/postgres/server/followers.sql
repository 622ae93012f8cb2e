-- The tables of followers. `{schema}` is the schema's quoted name. Times count microseconds since 1970.

-- How far each follower is. `definition` is a hash of its events, aggregates and tables. `store` and `event` are the ids of
-- the store and of the event at the position, as the follower has seen them.
CREATE TABLE {schema}.checkpoints (
  follower text COLLATE "C" PRIMARY KEY,
  version bigint NOT NULL,
  definition bigint NOT NULL,
  position bigint NOT NULL,
  event uuid,
  store uuid
) WITH (fillfactor = 50);

-- How far each partition is, numbered from 0. A single partition has no row: its position is that of the checkpoint.
CREATE TABLE {schema}.partitions (
  follower text COLLATE "C" NOT NULL,
  partition int NOT NULL,
  position bigint NOT NULL,
  event uuid,
  PRIMARY KEY (follower, partition)
) WITH (fillfactor = 50);

-- Which runner runs a follower, until when by the clock of the server. The sessions of the holder's program share an advisory
-- lock on `session`. A step locks the row for its key. A renewal does not wait for that, but another holder does, as it
-- changes the second key.
CREATE TABLE {schema}.leases (
  name text COLLATE "C" PRIMARY KEY,
  holder bytea NOT NULL,
  session bigint NOT NULL,
  until bigint NOT NULL,
  UNIQUE (name, holder)
) WITH (fillfactor = 50);

-- `stream` is set if its later events wait for the letter.
CREATE TABLE {schema}.dead_letters (
  follower text COLLATE "C" NOT NULL,
  position bigint NOT NULL,
  error text NOT NULL,
  attempts bigint NOT NULL,
  failed_at bigint NOT NULL,
  stream text COLLATE "C",
  PRIMARY KEY (follower, position)
);
CREATE INDEX sequenced_letters ON {schema}.dead_letters (follower, stream, position) WHERE stream IS NOT NULL;

CREATE TABLE {schema}.discarded_letters (
  follower text COLLATE "C" NOT NULL,
  position bigint NOT NULL,
  error text NOT NULL,
  attempts bigint NOT NULL,
  failed_at bigint NOT NULL,
  reason text NOT NULL,
  discarded_at bigint NOT NULL,
  PRIMARY KEY (follower, position)
);

-- The rebuild of each view that is under way.
CREATE TABLE {schema}.rebuilds (
  follower text COLLATE "C" PRIMARY KEY,
  version bigint NOT NULL,
  definition bigint NOT NULL,
  id uuid NOT NULL
);

-- The instances of processes: the state as JSON, with the fingerprint of its shape; null once the instance is done. The row of an
-- instance that is done stays: later events start nothing. `held` is 1 while a dead letter holds the instance, and 2 from its release
-- until it is saved.
CREATE TABLE {schema}.process_instances (
  process text COLLATE "C" NOT NULL,
  instance text COLLATE "C" NOT NULL,
  fingerprint bigint NOT NULL,
  state text,
  done_at bigint,
  held smallint NOT NULL,
  PRIMARY KEY (process, instance)
);

-- The commands that wait to be sent, each with its idempotency key, and the category of the aggregate that the process has named
-- for it. In this table and the next ones, partial indexes leave out what a dead letter holds.
CREATE TABLE {schema}.process_commands (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  process text COLLATE "C" NOT NULL,
  instance text COLLATE "C" NOT NULL,
  key text NOT NULL,
  name text NOT NULL,
  aggregate text,
  version bigint NOT NULL,
  payload text NOT NULL,
  cause uuid NOT NULL,
  correlation uuid NOT NULL,
  held smallint NOT NULL
);
CREATE INDEX process_commands_free ON {schema}.process_commands (process, id) WHERE held = 0;
CREATE INDEX process_commands_of ON {schema}.process_commands (process, instance);

-- The time-outs that are set, each with an id that the keys of its commands have.
CREATE TABLE {schema}.process_timeouts (
  process text COLLATE "C" NOT NULL,
  instance text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  due bigint NOT NULL,
  id uuid NOT NULL,
  version bigint NOT NULL,
  payload text NOT NULL,
  cause uuid NOT NULL,
  correlation uuid NOT NULL,
  held smallint NOT NULL,
  PRIMARY KEY (process, instance, name)
);
CREATE INDEX process_timeouts_due ON {schema}.process_timeouts (process, due) WHERE held = 0;

-- The positions of events that wait for their instances.
CREATE TABLE {schema}.process_waiting (
  process text COLLATE "C" NOT NULL,
  instance text COLLATE "C" NOT NULL,
  position bigint NOT NULL,
  held smallint NOT NULL,
  PRIMARY KEY (process, instance, position)
);
CREATE INDEX process_waiting_free ON {schema}.process_waiting (process, position) WHERE held = 0;

-- The dead letters of processes. `reference` is an event's position or a command's id.
CREATE TABLE {schema}.process_letters (
  process text COLLATE "C" NOT NULL,
  instance text COLLATE "C" NOT NULL,
  kind smallint NOT NULL,
  reference bigint NOT NULL,
  name text NOT NULL,
  error text NOT NULL,
  failed_at bigint NOT NULL,
  PRIMARY KEY (process, instance)
);

-- What has happened to each instance. `position` is that of an event, `detail` a time-out's JSON, a refusal, an error, a reason,
-- or a command's key.
CREATE TABLE {schema}.process_history (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  process text COLLATE "C" NOT NULL,
  instance text COLLATE "C" NOT NULL,
  kind smallint NOT NULL,
  name text NOT NULL,
  at bigint NOT NULL,
  cause uuid,
  position bigint,
  version bigint NOT NULL,
  detail text
);
CREATE INDEX process_history_of ON {schema}.process_history (process, instance, id);

-- Timers. `status` is 0 for one that waits, 1 for one whose command is being sent, 2 for a dead letter, and 3 for one that was
-- discarded. The row of a command that was sent is gone, and its number is never used again. `key` is that of one timer that waits,
-- and of any number of others. `id` is a part of the command's idempotency key. It differs each time that a timer is set.
CREATE TABLE {schema}.timers (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key text COLLATE "C" NOT NULL,
  due bigint NOT NULL,
  id uuid NOT NULL,
  command text NOT NULL,
  version bigint NOT NULL,
  content text NOT NULL,
  cause uuid NOT NULL,
  correlation uuid NOT NULL,
  status smallint NOT NULL,
  error text,
  failed_at bigint,
  reason text,
  discarded_at bigint
);
CREATE UNIQUE INDEX timers_waiting ON {schema}.timers (key) WHERE status = 0;
CREATE INDEX timers_due ON {schema}.timers (due, number) WHERE status = 0;
CREATE INDEX timers_taken ON {schema}.timers (due, number) WHERE status = 1;
CREATE INDEX timers_failed ON {schema}.timers (due, number) WHERE status = 2;
CREATE INDEX timers_discarded ON {schema}.timers (due, number) WHERE status = 3;
