//! Queries on `leases`. A lease that was given back keeps its row, so that its fence only ever grows.

use std::time::Duration;

use atthene_core::StoreError;
use atthene_core::port::{LeaseFence, LeaseRows, TakenLease, UnderLease};

use super::database::{Postgres, Unit};
use super::db::get;
use super::fault::Fault;

/// Of this database's clock, while the statement runs: not the beginning of its transaction, which may have waited.
const UNTIL: &str = "clock_timestamp() + $3 * interval '1 millisecond'";

fn millis(ttl: Duration) -> f64 {
    ttl.as_secs_f64() * 1000.0
}

/// What is written in this unit of work is written under this lease, and ends what was begun under it. From here to
/// the end of the transaction nobody takes it over.
pub(super) fn end_under(unit: &Unit<'_>, lease: Option<UnderLease<'_>>) -> Result<(), Fault> {
    let Some(UnderLease { name, fence }) = lease else { return Ok(()) };
    let sql = "UPDATE leases SET begun = false WHERE name = $1 AND fence = $2 AND holder IS NOT NULL";
    if unit.run(sql, &[&name, &fence.0])? == 0 { Err(Fault::Overtaken) } else { Ok(()) }
}

impl LeaseRows for Postgres {
    fn take(&self, name: &str, holder: &str, ttl: Duration) -> Result<Option<TakenLease>, StoreError> {
        // Whoever waits for it asks often, and changes nothing by that.
        let held = "SELECT 1 FROM leases WHERE name = $1 AND holder <> $2 AND until > clock_timestamp()";
        if self.read(|db| db.row(held, &[&name, &holder]))?.is_some() {
            return Ok(None);
        }
        let sql = format!(
            "INSERT INTO leases (name, holder, until, fence) VALUES ($1, $2, {UNTIL}, 1)
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = {UNTIL}, fence = leases.fence + 1
             WHERE leases.holder IS NULL OR leases.holder = excluded.holder OR leases.until <= clock_timestamp()
             RETURNING fence, begun"
        );
        self.write(&[], |unit| {
            let row = unit.row(&sql, &[&name, &holder, &millis(ttl)])?;
            let taken =
                |row: &_| Ok(TakenLease { fence: LeaseFence(get(row, "fence")?), is_begun: get(row, "begun")? });
            row.as_ref().map(taken).transpose()
        })
    }

    fn renew(&self, name: &str, holder: &str, fence: LeaseFence, ttl: Duration) -> Result<bool, StoreError> {
        // One that has run out and that nobody took is still whose it was.
        let sql = format!("UPDATE leases SET until = {UNTIL} WHERE name = $1 AND holder = $2 AND fence = $4");
        self.write(&[], |unit| Ok(unit.run(&sql, &[&name, &holder, &millis(ttl), &fence.0])? > 0))
    }

    fn begin(&self, name: &str, holder: &str, fence: LeaseFence, ttl: Duration) -> Result<bool, StoreError> {
        let sql =
            format!("UPDATE leases SET until = {UNTIL}, begun = true WHERE name = $1 AND holder = $2 AND fence = $4");
        self.write(&[], |unit| Ok(unit.run(&sql, &[&name, &holder, &millis(ttl), &fence.0])? > 0))
    }

    fn give_back(&self, name: &str, holder: &str, fence: LeaseFence, is_ended: bool) -> Result<(), StoreError> {
        let sql = "UPDATE leases SET holder = NULL, begun = begun AND NOT $4
                   WHERE name = $1 AND holder = $2 AND fence = $3";
        self.write(&[], |unit| unit.run(sql, &[&name, &holder, &fence.0, &is_ended]).map(drop))
    }
}
