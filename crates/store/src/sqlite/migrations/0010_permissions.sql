-- Never edit this file once it has landed; add the next one.

-- What agents may do through a connection. Those that are here could do everything until now, and still can: an
-- update takes nothing away that applications rely on. What is new begins with less.
ALTER TABLE connections ADD COLUMN may_read TEXT NOT NULL DEFAULT 'allow';
ALTER TABLE connections ADD COLUMN may_draft TEXT NOT NULL DEFAULT 'allow';
ALTER TABLE connections ADD COLUMN may_send TEXT NOT NULL DEFAULT 'allow';
ALTER TABLE connections ADD COLUMN may_delete TEXT NOT NULL DEFAULT 'allow';
ALTER TABLE connections ADD COLUMN graph_reach TEXT NOT NULL DEFAULT 'granted';
ALTER TABLE connections ADD COLUMN may_have_token INTEGER NOT NULL DEFAULT 1 CHECK (may_have_token IN (0, 1));

-- Others show it. What is held of a connection in memory stays: it was not ended.
CREATE TRIGGER connections_permitted
AFTER UPDATE OF may_read, may_draft, may_send, may_delete, graph_reach, may_have_token ON connections
BEGIN UPDATE revisions SET n = n + 1 WHERE topic = 'connections'; END;
