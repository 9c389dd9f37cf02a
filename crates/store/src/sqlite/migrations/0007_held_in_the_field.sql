-- Never edit this file once it has landed; add the next one.
-- Times are Unix milliseconds UTC.

-- What is held in memory of a connection is known by this number and ends with it. It is given anew by whatever
-- ends that: another sign-in, another standing, other scopes, or a change of its integration. The number is the
-- count of such changes of all connections, so that none comes twice.
ALTER TABLE connections ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
-- What the provider asked the next access to hold, as JSON, until it does.
ALTER TABLE connections ADD COLUMN challenge TEXT;

DROP TRIGGER connections_inserted;
DROP TRIGGER connections_changed;
CREATE TRIGGER connections_inserted AFTER INSERT ON connections
BEGIN
  UPDATE revisions SET n = n + 1 WHERE topic = 'connections';
  UPDATE connections SET revision = (SELECT n FROM revisions WHERE topic = 'connections') WHERE id = NEW.id;
END;
CREATE TRIGGER connections_changed AFTER UPDATE OF
  integration_id, oid, tid, account, asked, granted, confidential, state, problem, signed_in_at ON connections
WHEN (OLD.integration_id, OLD.oid, OLD.tid, OLD.account, OLD.asked, OLD.granted, OLD.confidential, OLD.state,
      OLD.problem, OLD.signed_in_at)
  IS NOT (NEW.integration_id, NEW.oid, NEW.tid, NEW.account, NEW.asked, NEW.granted, NEW.confidential, NEW.state,
          NEW.problem, NEW.signed_in_at)
BEGIN
  UPDATE revisions SET n = n + 1 WHERE topic = 'connections';
  UPDATE connections SET revision = (SELECT n FROM revisions WHERE topic = 'connections') WHERE id = NEW.id;
END;
-- A refresh ends nothing that others hold, but why they wait.
CREATE TRIGGER connections_refreshed AFTER UPDATE OF refreshed_at ON connections
WHEN OLD.refreshed_at IS NOT NEW.refreshed_at
BEGIN UPDATE revisions SET n = n + 1 WHERE topic = 'connections'; END;
-- A secret that is replaced leaves its column as it is: an update counts, whatever it changed.
CREATE TRIGGER integrations_lead_elsewhere AFTER UPDATE OF client_id, authority, scopes, way_back, secret ON integrations
BEGIN
  UPDATE revisions SET n = n + 1 WHERE topic = 'connections';
  UPDATE connections SET revision = (SELECT n FROM revisions WHERE topic = 'connections')
  WHERE integration_id = NEW.id;
END;

-- The record is cut at its beginning when it grows older than its span; the chain goes on from this row's hash.
CREATE TABLE activity_cut (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  id       INTEGER NOT NULL,
  hash     BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

-- The latest hour must not cost a look at all that came before it.
CREATE INDEX activity_by_time ON activity (at);
