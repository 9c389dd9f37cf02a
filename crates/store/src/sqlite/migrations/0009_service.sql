-- Never edit this file once it has landed; add the next one.

-- What the service of the profile is doing, for the other processes, as JSON; and whether a person asked it to end.
CREATE TABLE service (
  only_row     INTEGER PRIMARY KEY CHECK (only_row = 1),
  status       TEXT,
  is_to_end    INTEGER NOT NULL CHECK (is_to_end IN (0, 1))
) STRICT;
INSERT INTO service VALUES (1, NULL, 0);

INSERT INTO revisions VALUES ('service', 0), ('usage', 0);
CREATE TRIGGER service_changed AFTER UPDATE ON service
WHEN (OLD.status, OLD.is_to_end) IS NOT (NEW.status, NEW.is_to_end)
BEGIN UPDATE revisions SET n = n + 1 WHERE topic = 'service'; END;
