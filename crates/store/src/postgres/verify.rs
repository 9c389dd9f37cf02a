//! Walking all chains of the record, and what they say of each other.

use std::collections::HashMap;

use atthene_core::UnixMs;
use atthene_core::activity::Chain;
use tokio_postgres::Row;

use super::db::{Db, get};
use super::fault::Fault;
use super::record::{CarriedEnd, hash_of};
use crate::chain::{ChainLink, Hash, beginning};

/// Rows held in memory at once.
const AT_ONCE: i64 = 5000;

/// The end of a chain: id and hash of its newest row.
type End = (i64, Hash);

/// Walks every chain, all at once in the order of their rows.
pub(super) fn verify(db: &Db<'_>) -> Result<Chain, Fault> {
    // What was cut off by its age carries its hash on.
    let cuts = ends(db, "SELECT host, id, hash FROM activity_cuts")?;
    let heads = ends(db, "SELECT host, id, hash FROM chains WHERE id IS NOT NULL")?;
    let mut walk = Walk { at: cuts.clone(), cuts, carried: Vec::new(), rows: 0 };
    let mut after = 0_i64;
    loop {
        let rows = db.rows(
            "SELECT id, host, at, actor, kind, subject, outcome, detail, links, hash FROM activity
             WHERE id > $1 ORDER BY id LIMIT $2",
            &[&after, &AT_ONCE],
        )?;
        let Some(last) = rows.last() else { break };
        after = get(last, "id")?;
        for row in &rows {
            if let Some(broken) = walk.step(row)? {
                return Ok(broken);
            }
        }
        if let Some(contradicted) = walk.ask_carried(db)? {
            return Ok(contradicted);
        }
    }
    // A chain that is gone with its head was carried along by others; one whose rows alone are gone is missed here.
    let cut_off = heads.iter().find(|(host, end)| walk.at.get(*host) != Some(end));
    let unclaimed = walk.at.keys().find(|host| !heads.contains_key(*host));
    match cut_off.map(|(host, _)| host).or(unclaimed) {
        Some(host) => Ok(Chain::CutOff { intact: walk.rows, missing_after: walk.at.get(host).map_or(0, |end| end.0) }),
        None => Ok(Chain::Sound { rows: walk.rows }),
    }
}

struct Walk {
    /// Where each chain is.
    at: HashMap<String, End>,
    cuts: HashMap<String, End>,
    /// Ends that rows carry along and that were not looked at yet.
    carried: Vec<CarriedEnd>,
    /// Those that fit.
    rows: u64,
}

impl Walk {
    /// What is wrong with this row, if anything is.
    fn step(&mut self, row: &Row) -> Result<Option<Chain>, Fault> {
        let host: &str = get(row, "host")?;
        let (id, at): (i64, i64) = (get(row, "id")?, get(row, "at")?);
        let links: Option<&str> = get(row, "links")?;
        let link = ChainLink {
            at,
            actor: get(row, "actor")?,
            kind: get(row, "kind")?,
            subject: get(row, "subject")?,
            outcome: get(row, "outcome")?,
            detail: get(row, "detail")?,
            links,
        };
        let hash = hash_of(get(row, "hash")?)?;
        let before = self.at.get(host).map_or_else(|| beginning(host), |end| end.1);
        let carried: Result<Vec<CarriedEnd>, _> = serde_json::from_str(links.unwrap_or("[]"));
        let (true, Ok(carried)) = (link.hash(Some(before)) == hash, carried) else {
            return Ok(Some(Chain::Broken { id, at: UnixMs(at), intact: self.rows }));
        };
        self.carried.extend(carried);
        self.at.insert(host.to_owned(), (id, hash));
        self.rows += 1;
        Ok(None)
    }

    /// Whether the rows that others carry along are what they were then.
    fn ask_carried(&mut self, db: &Db<'_>) -> Result<Option<Chain>, Fault> {
        let carried = std::mem::take(&mut self.carried);
        let ids: Vec<i64> = carried.iter().map(|end| end.id).collect();
        let rows = db.rows("SELECT id, host, at, hash FROM activity WHERE id = ANY($1)", &[&ids])?;
        let mut there: HashMap<i64, &Row> = HashMap::new();
        for row in &rows {
            there.insert(get(row, "id")?, row);
        }
        for end in carried {
            let cut = self.cuts.get(&end.host);
            match (there.get(&end.id), cut) {
                (Some(row), _) => {
                    if get::<&str>(row, "host")? != end.host
                        || atthene_core::hex(get::<&[u8]>(row, "hash")?) != end.hash
                    {
                        return Ok(Some(Chain::Broken {
                            id: end.id,
                            at: UnixMs(get(row, "at")?),
                            intact: self.rows.saturating_sub(1),
                        }));
                    }
                }
                (None, Some((cut, hash)))
                    if end.id < *cut || (end.id == *cut && atthene_core::hex(hash) == end.hash) => {}
                (None, _) => {
                    let left = self.at.get(&end.host).map_or(0, |left| left.0);
                    return Ok(Some(Chain::CutOff { intact: self.rows, missing_after: left.min(end.id) }));
                }
            }
        }
        Ok(None)
    }
}

fn ends(db: &Db<'_>, sql: &str) -> Result<HashMap<String, End>, Fault> {
    let rows = db.rows(sql, &[])?;
    rows.iter().map(|row| Ok((get(row, "host")?, (get(row, "id")?, hash_of(get(row, "hash")?)?)))).collect()
}
