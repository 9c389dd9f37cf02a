//! Rows as an administrator's who looks after many customers.

/// Two hundred integrations, so many ended keys and connections, and so many rows of the record, whose chain is not
/// looked at.
pub fn many(others: u32, rows: u32) -> String {
    SQL.replace("MANY", &others.to_string()).replace("ROWS", &rows.to_string())
}

const SQL: &str = r#"
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < MANY)
INSERT INTO api_keys (id, name, hash, last_four, created_at, expires_at, ended_at, ended_as, requests)
  SELECT printf('%010d', i), 'Nightly build ' || i, 'x', 'abcd', 1780000000000 + i, 1790000000000, 1785000000000 + i, 'replaced', i FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
INSERT INTO integrations (id, provider, name, name_key, client_id, authority, scopes, way_back, secret, created_at, checked_at, check_problem)
  SELECT printf('microsoft-%06d', i), 'microsoft', 'Customer ' || i, 'customer ' || i, '11111111-2222-3333-4444-555555555555',
    '{"kind":"entra","cloud":"global","tenant":"c' || i || '.example"}', 'User.Read Mail.Read', '{"kind":"loopback"}', 'none',
    1780000000000, 1795000000000, CASE WHEN i % 40 = 0 THEN 'The app was not found. Register it again.' END FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < MANY)
INSERT INTO connections (id, integration_id, toolkit, oid, tid, account, asked, granted, confidential, state, problem, signed_in_at, refreshed_at)
  SELECT printf('outlook-a%07d', i), printf('microsoft-%06d', 1 + i % 200), 'outlook', 'o' || i, 't', 'user' || i || '@contoso.example',
    'Mail.Read', 'Mail.Read', 0, CASE WHEN i % 25 = 0 THEN 'needs_sign_in' ELSE 'connected' END, NULL, 1790000000000, 4000000000000 FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ROWS)
INSERT INTO activity (at, actor, kind, subject, outcome, detail, hash)
  SELECT 1795400000000 - (ROWS - i) * 60000, 'gateway', 'graph_call', printf('outlook-a%07d', i % MANY), CASE WHEN i % 17 = 0 THEN 'failed' ELSE 'done' END,
    '{"account":"user' || (i % MANY) || '@contoso.example","key":"Agents","method":"GET","path":"/v1.0/me/messages","status":200,"ms":12,"program":"order-bot"}',
    zeroblob(32) FROM n;
"#;
