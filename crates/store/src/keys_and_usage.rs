//! What goes with the keys when they are forgotten.

/// Keys, counters, calls to explain, questions and notices; no row before one that refers to it.
pub(crate) const TABLES: [&str; 10] = [
    "usage_hours",
    "usage_days",
    "latency_hours",
    "latency_days",
    "callers",
    "troubled_calls",
    "notices",
    "approvals",
    "allowed_recipients",
    "api_keys",
];
