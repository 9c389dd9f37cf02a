-- Never edit this file once it has landed; add the next one.
-- Times are Unix milliseconds UTC.

CREATE TABLE integrations (
  id                TEXT PRIMARY KEY,
  provider          TEXT NOT NULL CHECK (provider = 'microsoft'),
  name              TEXT NOT NULL,
  -- The name in small letters: two that differ in case only would be taken for one another.
  name_key          TEXT NOT NULL UNIQUE,
  client_id         TEXT NOT NULL,
  authority         TEXT NOT NULL CHECK (json_valid(authority)),
  scopes            TEXT NOT NULL,
  way_back          TEXT NOT NULL CHECK (json_valid(way_back)),
  secret            TEXT NOT NULL CHECK (secret IN ('none', 'stored', 'missing')),
  secret_expires_at INTEGER,
  created_at        INTEGER NOT NULL,
  checked_at        INTEGER,
  check_problem     TEXT
) STRICT;

-- One default per provider, by construction. No row: the built-in one.
CREATE TABLE default_integrations (
  provider       TEXT PRIMARY KEY,
  integration_id TEXT NOT NULL REFERENCES integrations (id) ON DELETE CASCADE
) STRICT;

-- Keychain entries between two steps of a change. Whatever is still here at a start was left
-- by a crash. swept: another process has begun to clear it away.
CREATE TABLE unsettled_secrets (
  entry TEXT PRIMARY KEY,
  swept INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What was done, by whom, and what came of it. hash is over the hash before it and this row.
CREATE TABLE activity (
  id      INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,
  actor   TEXT NOT NULL,
  kind    TEXT NOT NULL,
  subject TEXT NOT NULL,
  outcome TEXT NOT NULL CHECK (outcome IN ('done', 'failed')),
  detail  TEXT NOT NULL CHECK (json_valid(detail)),
  hash    BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

INSERT INTO revisions VALUES ('integrations', 0);

CREATE TRIGGER integrations_inserted AFTER INSERT ON integrations
BEGIN UPDATE revisions SET n = n + 1 WHERE topic = 'integrations'; END;
CREATE TRIGGER integrations_changed AFTER UPDATE ON integrations
BEGIN UPDATE revisions SET n = n + 1 WHERE topic = 'integrations'; END;
CREATE TRIGGER integrations_deleted AFTER DELETE ON integrations
BEGIN UPDATE revisions SET n = n + 1 WHERE topic = 'integrations'; END;
CREATE TRIGGER defaults_inserted AFTER INSERT ON default_integrations
BEGIN UPDATE revisions SET n = n + 1 WHERE topic = 'integrations'; END;
CREATE TRIGGER defaults_changed AFTER UPDATE ON default_integrations
BEGIN UPDATE revisions SET n = n + 1 WHERE topic = 'integrations'; END;
CREATE TRIGGER defaults_deleted AFTER DELETE ON default_integrations
BEGIN UPDATE revisions SET n = n + 1 WHERE topic = 'integrations'; END;
