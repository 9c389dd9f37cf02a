//! Starting anew.

use rusqlite::Connection;

pub(crate) fn forget_keys_and_usage(connection: &Connection) -> rusqlite::Result<()> {
    for table in [
        "usage_hours",
        "usage_days",
        "latency_hours",
        "latency_days",
        "callers",
        "troubled_calls",
        "notices",
        "api_keys",
    ] {
        connection.execute(&format!("DELETE FROM {table}"), [])?;
    }
    // Deleting is no change that a trigger counts: nothing else deletes keys.
    connection.execute("UPDATE revisions SET n = n + 1 WHERE topic = 'keys'", []).map(drop)
}
