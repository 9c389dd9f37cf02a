-- Never edit this file once it has landed; add the next one.
-- Times are Unix milliseconds UTC.

-- What usage_hours and latency_hours roll up into when they grow old. day: the start of a UTC day.
CREATE TABLE usage_days (
  day       INTEGER NOT NULL,
  key_id    TEXT NOT NULL,
  caller_id INTEGER NOT NULL REFERENCES callers (id),
  outcome   TEXT NOT NULL,
  requests  INTEGER NOT NULL,
  bytes_in  INTEGER NOT NULL,
  bytes_out INTEGER NOT NULL,
  last_at   INTEGER NOT NULL,
  PRIMARY KEY (day, key_id, caller_id, outcome)
) STRICT, WITHOUT ROWID;

CREATE TABLE latency_days (
  day      INTEGER NOT NULL,
  key_id   TEXT NOT NULL,
  part     TEXT NOT NULL CHECK (part IN ('gateway', 'runtime')),
  bucket   INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  PRIMARY KEY (day, key_id, part, bucket)
) STRICT, WITHOUT ROWID;

-- The latest calls that were refused or failed, so that a request id can be explained.
CREATE TABLE troubled_calls (
  n          INTEGER PRIMARY KEY,
  request_id TEXT NOT NULL UNIQUE,
  at         INTEGER NOT NULL,
  method     TEXT NOT NULL,
  path       TEXT NOT NULL,
  code       TEXT NOT NULL,
  detail     TEXT NOT NULL,
  key_id     TEXT NOT NULL,
  program    TEXT NOT NULL,
  user_agent TEXT NOT NULL
) STRICT;

-- When a person was last told of something on the desktop.
CREATE TABLE notices (
  id      TEXT PRIMARY KEY,
  told_at INTEGER NOT NULL
) STRICT;

CREATE INDEX activity_by_kind ON activity (kind);
CREATE INDEX activity_by_subject ON activity (subject);
CREATE INDEX activity_failed ON activity (id) WHERE outcome = 'failed';

-- The newest link of the chain, so that rows cut off at its end show, too.
CREATE TABLE activity_head (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  id       INTEGER NOT NULL,
  hash     BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
INSERT INTO activity_head SELECT 1, id, hash FROM activity ORDER BY id DESC LIMIT 1;
