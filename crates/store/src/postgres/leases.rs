//! Queries on `leases`. A lease that was given back keeps its row, so that its fence only ever grows.

use std::time::Duration;

use atthene_core::StoreError;
use atthene_core::port::{LeaseFence, LeaseRows};

use super::database::Postgres;
use super::db::get;

/// Of this database's clock, while the statement runs: not the beginning of its transaction, which may have waited.
const UNTIL: &str = "clock_timestamp() + $3 * interval '1 millisecond'";

fn millis(ttl: Duration) -> f64 {
    ttl.as_secs_f64() * 1000.0
}

impl LeaseRows for Postgres {
    fn take(&self, name: &str, holder: &str, ttl: Duration) -> Result<Option<LeaseFence>, StoreError> {
        let sql = format!(
            "INSERT INTO leases VALUES ($1, $2, {UNTIL}, 1)
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = {UNTIL}, fence = leases.fence + 1
             WHERE leases.holder IS NULL OR leases.holder = excluded.holder OR leases.until <= clock_timestamp()
             RETURNING fence"
        );
        self.write(&[], |unit| {
            let row = unit.row(&sql, &[&name, &holder, &millis(ttl)])?;
            row.map(|row| Ok(LeaseFence(get(&row, "fence")?))).transpose()
        })
    }

    fn renew(&self, name: &str, holder: &str, fence: LeaseFence, ttl: Duration) -> Result<bool, StoreError> {
        // One that has run out and that nobody took is still whose it was.
        let sql = format!("UPDATE leases SET until = {UNTIL} WHERE name = $1 AND holder = $2 AND fence = $4");
        self.write(&[], |unit| Ok(unit.run(&sql, &[&name, &holder, &millis(ttl), &fence.0])? > 0))
    }

    fn give_back(&self, name: &str, holder: &str, fence: LeaseFence) -> Result<(), StoreError> {
        let sql = "UPDATE leases SET holder = NULL WHERE name = $1 AND holder = $2 AND fence = $3";
        self.write(&[], |unit| unit.run(sql, &[&name, &holder, &fence.0]).map(drop))
    }
}
