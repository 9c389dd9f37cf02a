-- Never edit this file once it has landed; add the next one.
-- Times are Unix milliseconds UTC.

CREATE TABLE api_keys (
  id            TEXT PRIMARY KEY CHECK (length(id) = 10),
  name          TEXT NOT NULL,
  hash          TEXT NOT NULL,
  last_four     TEXT NOT NULL,
  created_at    INTEGER NOT NULL,
  expires_at    INTEGER,
  ended_at      INTEGER,
  ended_as      TEXT CHECK (ended_as IN ('expired', 'replaced', 'revoked')),
  first_used_at INTEGER,
  first_used_by TEXT,
  last_used_at  INTEGER,
  last_used_by  TEXT,
  requests      INTEGER NOT NULL DEFAULT 0,
  CHECK ((ended_at IS NULL) = (ended_as IS NULL))
) STRICT;

-- One live key, by construction.
CREATE UNIQUE INDEX one_live_key ON api_keys ((ended_at IS NULL)) WHERE ended_at IS NULL;

CREATE TRIGGER ended_for_good BEFORE UPDATE OF ended_at, ended_as ON api_keys
WHEN OLD.ended_at IS NOT NULL
BEGIN
  SELECT RAISE(ABORT, 'a key that has ended stays ended');
END;

-- Who calls: a program at the other end of the connection and what it says of itself.
CREATE TABLE callers (
  id         INTEGER PRIMARY KEY,
  program    TEXT NOT NULL,
  user_agent TEXT NOT NULL,
  UNIQUE (program, user_agent)
) STRICT;

-- key_id is '' where the caller held no key of ours.
CREATE TABLE usage_hours (
  hour      INTEGER NOT NULL,
  key_id    TEXT NOT NULL,
  caller_id INTEGER NOT NULL REFERENCES callers (id),
  outcome   TEXT NOT NULL,
  requests  INTEGER NOT NULL,
  bytes_in  INTEGER NOT NULL,
  bytes_out INTEGER NOT NULL,
  last_at   INTEGER NOT NULL,
  PRIMARY KEY (hour, key_id, caller_id, outcome)
) STRICT, WITHOUT ROWID;

-- part: 'gateway' (what this app added) or 'runtime' (what the agent runtime took).
-- bucket: two per power of two of microseconds.
CREATE TABLE latency_hours (
  hour     INTEGER NOT NULL,
  key_id   TEXT NOT NULL,
  part     TEXT NOT NULL CHECK (part IN ('gateway', 'runtime')),
  bucket   INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  PRIMARY KEY (hour, key_id, part, bucket)
) STRICT, WITHOUT ROWID;

-- Only what differs from the defaults.
CREATE TABLE settings (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;

-- Counts the changes that other processes must hear of; usage does not count.
CREATE TABLE revisions (
  topic TEXT PRIMARY KEY,
  n     INTEGER NOT NULL
) STRICT;
INSERT INTO revisions VALUES ('keys', 0), ('settings', 0);

CREATE TRIGGER keys_inserted AFTER INSERT ON api_keys
BEGIN UPDATE revisions SET n = n + 1 WHERE topic = 'keys'; END;
CREATE TRIGGER keys_changed AFTER UPDATE OF name, expires_at, ended_at ON api_keys
BEGIN UPDATE revisions SET n = n + 1 WHERE topic = 'keys'; END;
CREATE TRIGGER settings_inserted AFTER INSERT ON settings
BEGIN UPDATE revisions SET n = n + 1 WHERE topic = 'settings'; END;
CREATE TRIGGER settings_changed AFTER UPDATE ON settings
BEGIN UPDATE revisions SET n = n + 1 WHERE topic = 'settings'; END;
CREATE TRIGGER settings_deleted AFTER DELETE ON settings
BEGIN UPDATE revisions SET n = n + 1 WHERE topic = 'settings'; END;
