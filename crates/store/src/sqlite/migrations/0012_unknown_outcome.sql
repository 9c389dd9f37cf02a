-- Never edit this file once it has landed; add the next one.

-- An act that was begun and never heard of again is on record as what it is. The rows stay where they are: a check that
-- admits more is changed in the schema alone (SQLite's "Making Other Kinds Of Table Schema Changes").
PRAGMA writable_schema = ON;
UPDATE sqlite_schema
  SET sql = replace(sql, 'outcome IN (''done'', ''failed'')', 'outcome IN (''done'', ''failed'', ''unknown'')')
  WHERE type = 'table' AND name = 'activity';
PRAGMA writable_schema = RESET;

-- Those that were begun; ended_at tells when one was given up. Other connections see by it that the schema is another.
CREATE INDEX IF NOT EXISTS approvals_running ON approvals (asked_at) WHERE state = 'running';
