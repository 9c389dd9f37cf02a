//! Which rows of a profile are copied, and what their columns are on either side.

use crate::copied::CopiedTable;
use crate::copied::ValueKind::{self, Bytes, Text, Truth, Whole};

/// All that is copied but the secret and the ends of the record, so that no row is before one that it refers to. In the
/// order in which rows came, where that is told.
pub(crate) const TABLES: &[CopiedTable] = &[
    CopiedTable {
        table: "settings",
        rows: "settings",
        columns: &[("name", Text), ("value", Text)],
        from: "SELECT name, value FROM settings",
        of_host: false,
    },
    CopiedTable {
        table: "api_keys",
        rows: "API keys",
        columns: &[
            ("id", Text),
            ("name", Text),
            ("note", Text),
            ("hash", Text),
            ("last_four", Text),
            ("created_at", Whole),
            ("expires_at", Whole),
            ("ended_at", Whole),
            ("ended_as", Text),
            ("form", Whole),
            ("ended_by_update", Truth),
        ],
        from:
            "SELECT id, name, note, hash, last_four, created_at, expires_at, ended_at, ended_as, form, ended_by_update
               FROM api_keys ORDER BY rowid",
        of_host: false,
    },
    CopiedTable {
        table: "key_uses",
        rows: "uses of API keys",
        columns: &[
            ("key_id", Text),
            ("requests", Whole),
            ("first_used_at", Whole),
            ("first_used_by", Text),
            ("last_used_at", Whole),
            ("last_used_by", Text),
        ],
        from:
            "SELECT id, requests, first_used_at, coalesce(first_used_by, ''), last_used_at, coalesce(last_used_by, '')
               FROM api_keys WHERE requests > 0 OR first_used_at IS NOT NULL OR last_used_at IS NOT NULL",
        of_host: true,
    },
    CopiedTable {
        table: "integrations",
        rows: "integrations",
        columns: &[
            ("id", Text),
            ("provider", Text),
            ("name", Text),
            ("name_key", Text),
            ("client_id", Text),
            ("authority", Text),
            ("scopes", Text),
            ("way_back", Text),
            ("secret", Text),
            ("secret_expires_at", Whole),
            ("created_at", Whole),
            ("checked_at", Whole),
            ("check_problem", Text),
        ],
        from: "SELECT id, provider, name, name_key, client_id, authority, scopes, way_back, secret, secret_expires_at,
                      created_at, checked_at, check_problem FROM integrations ORDER BY rowid",
        of_host: false,
    },
    CopiedTable {
        table: "default_integrations",
        rows: "default integrations",
        columns: &[("provider", Text), ("integration_id", Text)],
        from: "SELECT provider, integration_id FROM default_integrations",
        of_host: false,
    },
    CopiedTable {
        table: "connections",
        rows: "connections",
        // Not their revisions, by which processes know what they hold in memory: they are given anew.
        columns: &[
            ("id", Text),
            ("integration_id", Text),
            ("toolkit", Text),
            ("oid", Text),
            ("tid", Text),
            ("account", Text),
            ("asked", Text),
            ("granted", Text),
            ("confidential", Truth),
            ("state", Text),
            ("problem", Text),
            ("signed_in_at", Whole),
            ("refreshed_at", Whole),
            ("used_at", Whole),
            ("challenge", Text),
            ("may_read", Text),
            ("may_draft", Text),
            ("may_send", Text),
            ("may_delete", Text),
            ("graph_reach", Text),
            ("may_have_token", Truth),
        ],
        from: "SELECT id, integration_id, toolkit, oid, tid, account, asked, granted, confidential, state, problem,
                      signed_in_at, refreshed_at, used_at, challenge, may_read, may_draft, may_send, may_delete,
                      graph_reach, may_have_token FROM connections ORDER BY rowid",
        of_host: false,
    },
    CopiedTable {
        table: "approvals",
        rows: "approvals",
        columns: &[
            ("id", Text),
            ("connection_id", Text),
            ("account", Text),
            ("act", Text),
            ("tool", Text),
            ("program", Text),
            ("key_id", Text),
            ("digest", Bytes),
            ("shown", Text),
            ("state", Text),
            ("asked_at", Whole),
            ("decided_at", Whole),
            ("ended_at", Whole),
            ("outcome", Text),
        ],
        from:
            "SELECT id, connection_id, account, act, tool, program, key_id, digest, shown, state, asked_at, decided_at,
                      ended_at, outcome FROM approvals ORDER BY rowid",
        of_host: true,
    },
    CopiedTable {
        table: "allowed_recipients",
        rows: "allowed recipients",
        columns: &[("connection_id", Text), ("recipient", Text), ("until", Whole)],
        from: "SELECT connection_id, recipient, until FROM allowed_recipients",
        of_host: false,
    },
    CopiedTable {
        table: "callers",
        rows: "callers",
        columns: &[("id", Whole), ("program", Text), ("user_agent", Text)],
        from: "SELECT id, program, user_agent FROM callers",
        of_host: false,
    },
    counted(
        "usage_hours",
        "counters of hours",
        &CALLS_OF_HOURS,
        "SELECT hour, key_id, caller_id, outcome, requests, bytes_in, bytes_out, last_at FROM usage_hours",
    ),
    counted(
        "usage_days",
        "counters of days",
        &CALLS_OF_DAYS,
        "SELECT day, key_id, caller_id, outcome, requests, bytes_in, bytes_out, last_at FROM usage_days",
    ),
    counted(
        "latency_hours",
        "times of hours",
        &TIMES_OF_HOURS,
        "SELECT hour, key_id, part, bucket, requests FROM latency_hours",
    ),
    counted(
        "latency_days",
        "times of days",
        &TIMES_OF_DAYS,
        "SELECT day, key_id, part, bucket, requests FROM latency_days",
    ),
    CopiedTable {
        table: "troubled_calls",
        rows: "calls to explain",
        columns: &[
            ("request_id", Text),
            ("at", Whole),
            ("method", Text),
            ("path", Text),
            ("code", Text),
            ("detail", Text),
            ("key_id", Text),
            ("program", Text),
            ("user_agent", Text),
            ("is_refused", Truth),
            ("failed_check", Text),
        ],
        from: "SELECT request_id, at, method, path, code, detail, key_id, program, user_agent, is_refused, failed_check
               FROM troubled_calls ORDER BY n",
        of_host: false,
    },
    CopiedTable {
        table: "notices",
        rows: "notices",
        columns: &[("id", Text), ("told_at", Whole)],
        from: "SELECT id, told_at FROM notices",
        of_host: false,
    },
    CopiedTable {
        table: RECORD,
        rows: "rows of the record",
        columns: &[
            ("id", Whole),
            ("at", Whole),
            ("actor", Text),
            ("kind", Text),
            ("subject", Text),
            ("outcome", Text),
            ("detail", Text),
            ("hash", Bytes),
        ],
        from: "SELECT id, at, actor, kind, subject, outcome, detail, hash FROM activity ORDER BY id",
        of_host: true,
    },
];

/// The table of the record.
pub(crate) const RECORD: &str = "activity";

const CALLS_OF_HOURS: [(&str, ValueKind); 8] = calls("hour");
const CALLS_OF_DAYS: [(&str, ValueKind); 8] = calls("day");
const TIMES_OF_HOURS: [(&str, ValueKind); 5] = times("hour");
const TIMES_OF_DAYS: [(&str, ValueKind); 5] = times("day");

const fn calls(since: &'static str) -> [(&'static str, ValueKind); 8] {
    [
        (since, Whole),
        ("key_id", Text),
        ("caller_id", Whole),
        ("outcome", Text),
        ("requests", Whole),
        ("bytes_in", Whole),
        ("bytes_out", Whole),
        ("last_at", Whole),
    ]
}

const fn times(since: &'static str) -> [(&'static str, ValueKind); 5] {
    [(since, Whole), ("key_id", Text), ("part", Text), ("bucket", Whole), ("requests", Whole)]
}

const fn counted(
    table: &'static str,
    rows: &'static str,
    columns: &'static [(&'static str, ValueKind)],
    from: &'static str,
) -> CopiedTable {
    CopiedTable { table, rows, columns, from, of_host: true }
}
