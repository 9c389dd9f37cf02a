-- Never edit this file once it has landed; add the next one.

-- What an admin wants to remember of a key; empty: nothing.
ALTER TABLE api_keys ADD COLUMN note TEXT NOT NULL DEFAULT '';

DROP TRIGGER keys_changed;
CREATE TRIGGER keys_changed AFTER UPDATE OF name, note, expires_at, ended_at ON api_keys
BEGIN UPDATE revisions SET n = n + 1 WHERE topic = 'keys'; END;
