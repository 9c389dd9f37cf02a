-- Never edit this file once it has landed; add the next one.
-- Times are Unix milliseconds UTC.

-- The secret that this profile is born with; the code that runs this fills it in.
CREATE TABLE profile_secret (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  secret   BLOB NOT NULL CHECK (length(secret) = 32)
) STRICT;

-- 1: with a checksum that anybody can make. 2: with a MAC under the profile's secret.
ALTER TABLE api_keys ADD COLUMN form INTEGER NOT NULL DEFAULT 1;
-- Whether it was live when an update gave keys another form, and ended with that.
ALTER TABLE api_keys ADD COLUMN ended_by_update INTEGER NOT NULL DEFAULT 0 CHECK (ended_by_update IN (0, 1));

-- Refused calls and others are forgotten apart, so that a flood of the former pushes out none of the latter.
ALTER TABLE troubled_calls ADD COLUMN is_refused INTEGER NOT NULL DEFAULT 0 CHECK (is_refused IN (0, 1));
CREATE INDEX troubled_by_kind ON troubled_calls (is_refused, n);
