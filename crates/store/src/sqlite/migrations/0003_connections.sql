-- Never edit this file once it has landed; add the next one.
-- Times are Unix milliseconds UTC.

-- One account signed in for one toolkit through one integration. No reference to integrations:
-- the built-in one has no row there.
CREATE TABLE connections (
  id             TEXT PRIMARY KEY,
  integration_id TEXT NOT NULL,
  toolkit        TEXT NOT NULL CHECK (toolkit IN ('outlook', 'teams')),
  -- The account is known by these two, never by its name.
  oid            TEXT NOT NULL,
  tid            TEXT NOT NULL,
  account        TEXT NOT NULL,
  asked          TEXT NOT NULL,
  granted        TEXT NOT NULL,
  confidential   INTEGER NOT NULL CHECK (confidential IN (0, 1)),
  state          TEXT NOT NULL CHECK (state IN ('connected', 'needs_sign_in', 'failing')),
  problem        TEXT,
  signed_in_at   INTEGER NOT NULL,
  refreshed_at   INTEGER NOT NULL,
  used_at        INTEGER,
  UNIQUE (integration_id, toolkit, oid, tid)
) STRICT;

INSERT INTO revisions VALUES ('connections', 0);

CREATE TRIGGER connections_inserted AFTER INSERT ON connections
BEGIN UPDATE revisions SET n = n + 1 WHERE topic = 'connections'; END;
CREATE TRIGGER connections_changed AFTER UPDATE OF integration_id, account, granted, state, problem, signed_in_at ON connections
BEGIN UPDATE revisions SET n = n + 1 WHERE topic = 'connections'; END;
CREATE TRIGGER connections_deleted AFTER DELETE ON connections
BEGIN UPDATE revisions SET n = n + 1 WHERE topic = 'connections'; END;

-- Sign-ins whose answer comes through a link, which may start the app anew: what the answer needs is kept here
-- and, where it is secret, in the keychain. Each row is used once.
CREATE TABLE sign_ins (
  state_hash     BLOB PRIMARY KEY CHECK (length(state_hash) = 32),
  id             TEXT NOT NULL UNIQUE,
  integration_id TEXT NOT NULL,
  toolkit        TEXT NOT NULL CHECK (toolkit IN ('outlook', 'teams')),
  connection_id  TEXT,
  switch_account INTEGER NOT NULL CHECK (switch_account IN (0, 1)),
  redirect_uri   TEXT NOT NULL,
  scopes         TEXT NOT NULL,
  started_at     INTEGER NOT NULL
) STRICT;
