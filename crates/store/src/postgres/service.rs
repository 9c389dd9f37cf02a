//! Queries on `services`: each host sees its own row.

use atthene_core::StoreError;
use atthene_core::port::ServiceRows;

use super::database::Postgres;
use super::db::get;

impl ServiceRows for Postgres {
    fn begin_service(&self) -> Result<(), StoreError> {
        let sql = "UPDATE services SET status = NULL, is_to_end = false WHERE host = $1";
        self.write(&[], |unit| unit.run(sql, &[&self.host().id()]).map(drop))
    }

    fn service_status(&self) -> Result<Option<String>, StoreError> {
        let sql = "SELECT status FROM services WHERE host = $1";
        self.read(|db| get(&db.one(sql, &[&self.host().id()])?, "status"))
    }

    fn save_service_status(&self, status: &str) -> Result<(), StoreError> {
        let sql = "UPDATE services SET status = $2 WHERE host = $1 AND status IS DISTINCT FROM $2";
        self.write(&[], |unit| unit.run(sql, &[&self.host().id(), &status]).map(drop))
    }

    fn ask_service_to_end(&self) -> Result<(), StoreError> {
        let sql = "UPDATE services SET is_to_end = true WHERE host = $1";
        self.write(&[], |unit| unit.run(sql, &[&self.host().id()]).map(drop))
    }

    fn is_service_to_end(&self) -> Result<bool, StoreError> {
        let sql = "SELECT is_to_end FROM services WHERE host = $1";
        self.read(|db| get(&db.one(sql, &[&self.host().id()])?, "is_to_end"))
    }
}
