-- Never edit this file once it has landed; add the next one.
-- Times are Unix milliseconds UTC.

-- What agents want to do that a person is asked about, or that is done once only. What would be sent (shown, as JSON)
-- is kept until the act has ended.
CREATE TABLE approvals (
  id            TEXT PRIMARY KEY,
  connection_id TEXT NOT NULL,
  account       TEXT NOT NULL,
  act           TEXT NOT NULL,
  tool          TEXT NOT NULL,
  program       TEXT NOT NULL,
  key_id        TEXT NOT NULL,
  digest        BLOB NOT NULL CHECK (length(digest) = 32),
  shown         TEXT,
  state         TEXT NOT NULL
    CHECK (state IN ('waiting', 'approved', 'denied', 'running', 'done', 'failed', 'lapsed')),
  asked_at      INTEGER NOT NULL,
  decided_at    INTEGER,
  ended_at      INTEGER,
  outcome       TEXT
) STRICT;
CREATE INDEX approvals_by_digest ON approvals (digest, asked_at);
CREATE INDEX approvals_by_time ON approvals (asked_at);

-- Recipients that a person allowed for a while.
CREATE TABLE allowed_recipients (
  connection_id TEXT NOT NULL,
  recipient     TEXT NOT NULL,
  until         INTEGER NOT NULL,
  PRIMARY KEY (connection_id, recipient)
) STRICT;

INSERT INTO revisions VALUES ('approvals', 0);
CREATE TRIGGER approvals_inserted AFTER INSERT ON approvals
BEGIN UPDATE revisions SET n = n + 1 WHERE topic = 'approvals'; END;
CREATE TRIGGER approvals_changed AFTER UPDATE OF state ON approvals
BEGIN UPDATE revisions SET n = n + 1 WHERE topic = 'approvals'; END;
