-- Never edit this file once it has landed; add the next one.
-- Times are Unix milliseconds UTC, of the host that wrote them.

-- Those who share this profile. id: ten letters. counted: how often one has added to the counters. version, address and
-- started_at: what its service said last, at seen_at by this database's clock. left_at: it was forgotten; the row stays,
-- so that the record still knows its name.
CREATE TABLE hosts (
  id         text PRIMARY KEY,
  name       text NOT NULL,
  counted    bigint NOT NULL DEFAULT 0,
  version    text,
  address    text,
  started_at bigint,
  seen_at    timestamptz,
  left_at    timestamptz
);

-- The secret that this profile is born with; the code that runs this fills it in.
CREATE TABLE profile_secret (
  only_row bigint PRIMARY KEY CHECK (only_row = 1),
  secret   bytea NOT NULL CHECK (length(secret) = 32)
);

-- What units of work leave, so that one whose confirmation was lost can be asked about.
CREATE TABLE marks (
  process text NOT NULL,
  slot    bigint NOT NULL,
  n       bigint NOT NULL,
  at      timestamptz NOT NULL,
  PRIMARY KEY (process, slot)
);

-- Counts the changes that others must hear of: the truth. Whoever changes something holds its row from the beginning.
CREATE TABLE revisions (
  topic text COLLATE "C" PRIMARY KEY,
  n     bigint NOT NULL
);
INSERT INTO revisions VALUES
  ('approvals', 0), ('connections', 0), ('integrations', 0), ('keys', 0), ('service', 0), ('settings', 0);

CREATE FUNCTION count_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE revisions SET n = n + 1 WHERE topic = TG_ARGV[0];
  RETURN NULL;
END $$;

-- The hint: whoever listens reads the rows again.
CREATE FUNCTION tell_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('atthene', NEW.topic);
  RETURN NULL;
END $$;
CREATE TRIGGER hint AFTER UPDATE ON revisions FOR EACH ROW EXECUTE FUNCTION tell_change();

-- n: in which order rows came.
CREATE TABLE api_keys (
  n               bigint GENERATED ALWAYS AS IDENTITY,
  id              text PRIMARY KEY CHECK (length(id) = 10),
  name            text NOT NULL,
  note            text NOT NULL DEFAULT '',
  hash            text NOT NULL,
  last_four       text NOT NULL,
  created_at      bigint NOT NULL,
  expires_at      bigint,
  ended_at        bigint,
  ended_as        text CHECK (ended_as IN ('expired', 'replaced', 'revoked')),
  form            bigint NOT NULL,
  ended_by_update boolean NOT NULL DEFAULT false,
  CHECK ((ended_at IS NULL) = (ended_as IS NULL))
);

-- One live key, by construction.
CREATE UNIQUE INDEX one_live_key ON api_keys ((ended_at IS NULL)) WHERE ended_at IS NULL;

CREATE FUNCTION keep_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a key that has ended stays ended';
END $$;
CREATE TRIGGER ended_for_good BEFORE UPDATE OF ended_at, ended_as ON api_keys
FOR EACH ROW WHEN (OLD.ended_at IS NOT NULL) EXECUTE FUNCTION keep_ended();

CREATE TRIGGER keys_inserted AFTER INSERT ON api_keys FOR EACH ROW EXECUTE FUNCTION count_change('keys');
CREATE TRIGGER keys_changed AFTER UPDATE OF name, note, expires_at, ended_at ON api_keys
FOR EACH ROW EXECUTE FUNCTION count_change('keys');

-- What each host has seen of a key: apart, so that no host waits for another to count, and none to revoke.
CREATE TABLE key_uses (
  key_id        text NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
  host          text NOT NULL,
  requests      bigint NOT NULL,
  first_used_at bigint NOT NULL,
  first_used_by text NOT NULL,
  last_used_at  bigint NOT NULL,
  last_used_by  text NOT NULL,
  PRIMARY KEY (key_id, host)
);

-- Who calls: a program at the other end of the connection and what it says of itself.
CREATE TABLE callers (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  program    text NOT NULL,
  user_agent text NOT NULL,
  UNIQUE (program, user_agent)
);

-- key_id is '' where the caller held no key of ours.
CREATE TABLE usage_hours (
  hour      bigint NOT NULL,
  key_id    text COLLATE "C" NOT NULL,
  caller_id bigint NOT NULL REFERENCES callers (id),
  outcome   text COLLATE "C" NOT NULL,
  host      text COLLATE "C" NOT NULL,
  requests  bigint NOT NULL,
  bytes_in  bigint NOT NULL,
  bytes_out bigint NOT NULL,
  last_at   bigint NOT NULL,
  PRIMARY KEY (hour, key_id, caller_id, outcome, host)
);
CREATE TABLE usage_days (
  day       bigint NOT NULL,
  key_id    text COLLATE "C" NOT NULL,
  caller_id bigint NOT NULL REFERENCES callers (id),
  outcome   text COLLATE "C" NOT NULL,
  host      text COLLATE "C" NOT NULL,
  requests  bigint NOT NULL,
  bytes_in  bigint NOT NULL,
  bytes_out bigint NOT NULL,
  last_at   bigint NOT NULL,
  PRIMARY KEY (day, key_id, caller_id, outcome, host)
);

-- part: 'gateway' (what this app added) or 'runtime' (what the agent runtime took).
-- bucket: two per power of two of microseconds.
CREATE TABLE latency_hours (
  hour     bigint NOT NULL,
  key_id   text COLLATE "C" NOT NULL,
  part     text COLLATE "C" NOT NULL CHECK (part IN ('gateway', 'runtime')),
  bucket   bigint NOT NULL,
  host     text COLLATE "C" NOT NULL,
  requests bigint NOT NULL,
  PRIMARY KEY (hour, key_id, part, bucket, host)
);
CREATE TABLE latency_days (
  day      bigint NOT NULL,
  key_id   text COLLATE "C" NOT NULL,
  part     text COLLATE "C" NOT NULL CHECK (part IN ('gateway', 'runtime')),
  bucket   bigint NOT NULL,
  host     text COLLATE "C" NOT NULL,
  requests bigint NOT NULL,
  PRIMARY KEY (day, key_id, part, bucket, host)
);

-- The latest calls that were refused or failed, so that a request id can be explained.
CREATE TABLE troubled_calls (
  n            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  request_id   text NOT NULL UNIQUE,
  at           bigint NOT NULL,
  method       text NOT NULL,
  path         text NOT NULL,
  code         text NOT NULL,
  detail       text NOT NULL,
  key_id       text NOT NULL,
  program      text NOT NULL,
  user_agent   text NOT NULL,
  is_refused   boolean NOT NULL,
  failed_check text
);
-- Refused calls and others are forgotten apart, so that a flood of the former pushes out none of the latter.
CREATE INDEX troubled_by_kind ON troubled_calls (is_refused, n);

-- When a person was last told of something on the desktop, whichever.
CREATE TABLE notices (
  id      text PRIMARY KEY,
  told_at bigint NOT NULL
);

-- Only what differs from the defaults.
CREATE TABLE settings (
  name  text PRIMARY KEY,
  value text NOT NULL
);
CREATE TRIGGER settings_changed AFTER INSERT OR UPDATE OR DELETE ON settings
FOR EACH ROW EXECUTE FUNCTION count_change('settings');

CREATE TABLE integrations (
  n                 bigint GENERATED ALWAYS AS IDENTITY,
  id                text PRIMARY KEY,
  provider          text NOT NULL CHECK (provider = 'microsoft'),
  name              text NOT NULL,
  -- The name in small letters: two that differ in case only would be taken for one another.
  name_key          text NOT NULL UNIQUE,
  client_id         text NOT NULL,
  authority         text NOT NULL CHECK (authority::json IS NOT NULL),
  scopes            text NOT NULL,
  way_back          text NOT NULL CHECK (way_back::json IS NOT NULL),
  secret            text NOT NULL CHECK (secret IN ('none', 'stored', 'missing')),
  secret_expires_at bigint,
  created_at        bigint NOT NULL,
  checked_at        bigint,
  check_problem     text
);
CREATE TRIGGER integrations_changed AFTER INSERT OR UPDATE OR DELETE ON integrations
FOR EACH ROW EXECUTE FUNCTION count_change('integrations');

-- One default per provider, by construction. No row: the built-in one.
CREATE TABLE default_integrations (
  provider       text COLLATE "C" PRIMARY KEY,
  integration_id text NOT NULL REFERENCES integrations (id) ON DELETE CASCADE
);
CREATE TRIGGER defaults_changed AFTER INSERT OR UPDATE OR DELETE ON default_integrations
FOR EACH ROW EXECUTE FUNCTION count_change('integrations');

-- One account signed in for one toolkit through one integration. No reference to integrations:
-- the built-in one has no row there.
CREATE TABLE connections (
  n              bigint GENERATED ALWAYS AS IDENTITY,
  id             text PRIMARY KEY,
  integration_id text NOT NULL,
  toolkit        text COLLATE "C" NOT NULL CHECK (toolkit IN ('outlook', 'teams')),
  -- The account is known by these two, never by its name.
  oid            text NOT NULL,
  tid            text NOT NULL,
  account        text COLLATE "C" NOT NULL,
  asked          text NOT NULL,
  granted        text NOT NULL,
  confidential   boolean NOT NULL,
  state          text NOT NULL CHECK (state IN ('connected', 'needs_sign_in', 'failing')),
  problem        text,
  signed_in_at   bigint NOT NULL,
  refreshed_at   bigint NOT NULL,
  used_at        bigint,
  -- What is held in memory of a connection is known by this number and ends with it. It is given anew by whatever
  -- ends that: another sign-in, another standing, other scopes, or a change of its integration. The number is the
  -- count of such changes of all connections, so that none comes twice.
  revision       bigint NOT NULL DEFAULT 0,
  -- What the provider asked the next access to hold, as JSON, until it does.
  challenge      text,
  may_read       text NOT NULL,
  may_draft      text NOT NULL,
  may_send       text NOT NULL,
  may_delete     text NOT NULL,
  graph_reach    text NOT NULL,
  may_have_token boolean NOT NULL,
  UNIQUE (integration_id, toolkit, oid, tid)
);

CREATE FUNCTION turn_connection() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE revisions SET n = n + 1 WHERE topic = 'connections' RETURNING n INTO NEW.revision;
  RETURN NEW;
END $$;
CREATE TRIGGER connections_inserted BEFORE INSERT ON connections FOR EACH ROW EXECUTE FUNCTION turn_connection();
CREATE TRIGGER connections_changed BEFORE UPDATE OF
  integration_id, oid, tid, account, asked, granted, confidential, state, problem, signed_in_at ON connections
FOR EACH ROW WHEN (
  (OLD.integration_id, OLD.oid, OLD.tid, OLD.account, OLD.asked, OLD.granted, OLD.confidential, OLD.state,
   OLD.problem, OLD.signed_in_at)
  IS DISTINCT FROM (NEW.integration_id, NEW.oid, NEW.tid, NEW.account, NEW.asked, NEW.granted, NEW.confidential,
                    NEW.state, NEW.problem, NEW.signed_in_at))
EXECUTE FUNCTION turn_connection();
CREATE TRIGGER connections_deleted AFTER DELETE ON connections
FOR EACH ROW EXECUTE FUNCTION count_change('connections');
-- A refresh ends nothing that others hold, but why they wait.
CREATE TRIGGER connections_refreshed AFTER UPDATE OF refreshed_at ON connections
FOR EACH ROW WHEN (OLD.refreshed_at IS DISTINCT FROM NEW.refreshed_at) EXECUTE FUNCTION count_change('connections');
-- Others show it. What is held of a connection in memory stays: it was not ended.
CREATE TRIGGER connections_permitted
AFTER UPDATE OF may_read, may_draft, may_send, may_delete, graph_reach, may_have_token ON connections
FOR EACH ROW EXECUTE FUNCTION count_change('connections');

-- A secret that is replaced leaves its column as it is: an update counts, whatever it changed.
CREATE FUNCTION turn_connections_through() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE now_at bigint;
BEGIN
  UPDATE revisions SET n = n + 1 WHERE topic = 'connections' RETURNING n INTO now_at;
  UPDATE connections SET revision = now_at WHERE integration_id = NEW.id;
  RETURN NULL;
END $$;
CREATE TRIGGER integrations_lead_elsewhere AFTER UPDATE OF client_id, authority, scopes, way_back, secret ON integrations
FOR EACH ROW EXECUTE FUNCTION turn_connections_through();

-- Sign-ins whose answer comes through a link, which may start the app anew. Each row is used once.
CREATE TABLE sign_ins (
  state_hash     bytea PRIMARY KEY CHECK (length(state_hash) = 32),
  id             text NOT NULL UNIQUE,
  integration_id text NOT NULL,
  toolkit        text NOT NULL CHECK (toolkit IN ('outlook', 'teams')),
  connection_id  text,
  switch_account boolean NOT NULL,
  redirect_uri   text NOT NULL,
  scopes         text NOT NULL,
  started_at     bigint NOT NULL
);

-- Entries of a vault between two steps of a change. Whatever is still here at a start of the host that wrote it down
-- was left by a crash. swept: another process of that host has begun to clear it away.
CREATE TABLE unsettled_secrets (
  entry text PRIMARY KEY,
  host  text NOT NULL,
  swept boolean NOT NULL DEFAULT false
);

-- What agents want to do that a person is asked about, or that is done once only. What would be sent (shown, as JSON)
-- is kept until the act has ended. host: who has begun it, and so who gives it up after a crash.
CREATE TABLE approvals (
  n             bigint GENERATED ALWAYS AS IDENTITY,
  id            text PRIMARY KEY,
  connection_id text NOT NULL,
  account       text NOT NULL,
  act           text NOT NULL,
  tool          text NOT NULL,
  program       text NOT NULL,
  key_id        text NOT NULL,
  digest        bytea NOT NULL CHECK (length(digest) = 32),
  shown         text,
  state         text NOT NULL
    CHECK (state IN ('waiting', 'approved', 'denied', 'running', 'done', 'failed', 'lapsed')),
  asked_at      bigint NOT NULL,
  decided_at    bigint,
  ended_at      bigint,
  outcome       text,
  host          text
);
CREATE INDEX approvals_running ON approvals (asked_at) WHERE state = 'running';
CREATE INDEX approvals_by_digest ON approvals (digest, asked_at);
CREATE INDEX approvals_by_time ON approvals (asked_at);
CREATE TRIGGER approvals_inserted AFTER INSERT ON approvals FOR EACH ROW EXECUTE FUNCTION count_change('approvals');
CREATE TRIGGER approvals_changed AFTER UPDATE OF state ON approvals
FOR EACH ROW EXECUTE FUNCTION count_change('approvals');

-- Recipients that a person allowed for a while.
CREATE TABLE allowed_recipients (
  connection_id text NOT NULL,
  recipient     text NOT NULL,
  until         bigint NOT NULL,
  PRIMARY KEY (connection_id, recipient)
);

-- What was done, by whom, on which host, and what came of it. hash is over the hash of the host's row before it and
-- this row. links: the ends of the other hosts' chains at that time, as JSON, in some rows.
CREATE TABLE activity (
  id      bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  host    text COLLATE "C" NOT NULL,
  at      bigint NOT NULL,
  actor   text NOT NULL,
  kind    text NOT NULL,
  subject text NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('done', 'failed', 'unknown')),
  detail  text NOT NULL CHECK (detail::json IS NOT NULL),
  links   text CHECK (links::json IS NOT NULL OR links IS NULL),
  hash    bytea NOT NULL CHECK (length(hash) = 32)
);
CREATE INDEX activity_by_kind ON activity (kind);
CREATE INDEX activity_by_subject ON activity (subject);
CREATE INDEX activity_failed ON activity (id) WHERE outcome = 'failed';
CREATE INDEX activity_by_time ON activity (at);
CREATE INDEX activity_by_host ON activity (host, id);

-- The newest link of each host's chain, so that rows cut off at its end show, too. appended: how many there ever were.
-- linked_at and unlinked: when the ends of the others were last carried along, and how many rows ago.
CREATE TABLE chains (
  host      text COLLATE "C" PRIMARY KEY,
  id        bigint,
  hash      bytea CHECK (length(hash) = 32),
  appended  bigint NOT NULL DEFAULT 0,
  linked_at bigint,
  unlinked  bigint NOT NULL DEFAULT 0
);

-- The record is cut at its beginning when it grows older than its span; each chain goes on from this row's hash.
CREATE TABLE activity_cuts (
  host text COLLATE "C" PRIMARY KEY,
  id   bigint NOT NULL,
  hash bytea NOT NULL CHECK (length(hash) = 32)
);

-- What the service of each host is doing, as JSON; and whether a person asked it to end.
CREATE TABLE services (
  host      text PRIMARY KEY,
  status    text,
  is_to_end boolean NOT NULL DEFAULT false
);
CREATE TRIGGER services_changed AFTER UPDATE ON services
FOR EACH ROW WHEN ((OLD.status, OLD.is_to_end) IS DISTINCT FROM (NEW.status, NEW.is_to_end))
EXECUTE FUNCTION count_change('service');

-- Secrets of the profile, sealed before they come here.
CREATE TABLE secrets (
  entry  text COLLATE "C" PRIMARY KEY,
  sealed bytea NOT NULL
);

-- What one host at a time does for all of them, until then by the clock of this database.
CREATE TABLE leases (
  name   text PRIMARY KEY,
  holder text,
  until  timestamptz NOT NULL,
  fence  bigint NOT NULL,
  -- What can't be done twice was begun under it, and nobody has written down how it ended.
  begun  boolean NOT NULL DEFAULT false
);
