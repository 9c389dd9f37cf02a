//! Queries on `service`.

use atthene_core::StoreError;
use atthene_core::port::ServiceRows;

use super::database::Sqlite;

impl ServiceRows for Sqlite {
    fn begin_service(&self) -> Result<(), StoreError> {
        self.write(|tx| tx.execute("UPDATE service SET status = NULL, is_to_end = 0", []).map(drop))
    }

    fn service_status(&self) -> Result<Option<String>, StoreError> {
        self.read(|db| db.prepare_cached("SELECT status FROM service")?.query_row([], |row| row.get(0)))
    }

    fn save_service_status(&self, status: &str) -> Result<(), StoreError> {
        self.write(|tx| tx.execute("UPDATE service SET status = ?1 WHERE status IS NOT ?1", [status]).map(drop))
    }

    fn ask_service_to_end(&self) -> Result<(), StoreError> {
        self.write_ending(|tx| tx.execute("UPDATE service SET is_to_end = 1", []).map(drop))
    }

    fn is_service_to_end(&self) -> Result<bool, StoreError> {
        self.read(|db| db.prepare_cached("SELECT is_to_end FROM service")?.query_row([], |row| row.get(0)))
    }
}
