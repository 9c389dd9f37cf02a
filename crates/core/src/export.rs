//! Tables as files: CSV (RFC 4180) and JSON.

use std::io::Write;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use ts_rs::TS;

use crate::error::Error;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Format {
    /// Comma-separated, one line of names first.
    Csv,
    Json,
}

impl Format {
    /// How the names of such files end.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }
}

/// A table that is written row by row.
pub(crate) struct ExportTable<'a, W: Write> {
    names: &'a [&'a str],
    to: To<W>,
    rows: u64,
    /// The first row that could not be written.
    failed: Option<Error>,
}

enum To<W: Write> {
    Csv(Box<csv::Writer<W>>),
    Json(W),
}

impl<'a, W: Write> ExportTable<'a, W> {
    pub(crate) fn begin(to: W, format: Format, names: &'a [&'a str]) -> Result<Self, Error> {
        let to = match format {
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(to);
                writer.write_record(names).map_err(|error| failed(&error))?;
                To::Csv(Box::new(writer))
            }
            Format::Json => To::Json(to),
        };
        Ok(Self { names, to, rows: 0, failed: None })
    }

    /// Writes a row. `false`: it could not be written, and [`Self::end`] tells why.
    pub(crate) fn row(&mut self, values: &[Value]) -> bool {
        if self.failed.is_none() {
            self.failed = self.write(values).err();
        }
        self.failed.is_none()
    }

    fn write(&mut self, values: &[Value]) -> Result<(), Error> {
        match &mut self.to {
            To::Csv(writer) => {
                writer.write_record(values.iter().map(cell)).map_err(|error| failed(&error))?;
            }
            To::Json(to) => {
                let row: Map<String, Value> =
                    self.names.iter().map(|name| (*name).to_owned()).zip(values.iter().cloned()).collect();
                let lead = if self.rows == 0 { "[\n" } else { ",\n" };
                write!(to, "{lead}{}", Value::Object(row)).map_err(|error| failed(&error))?;
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Finishes the file; tells how many rows it holds.
    pub(crate) fn end(self) -> Result<u64, Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match self.to {
            To::Csv(mut writer) => writer.flush(),
            To::Json(mut to) => {
                let end = if self.rows == 0 { "[]\n" } else { "\n]\n" };
                to.write_all(end.as_bytes()).and_then(|()| to.flush())
            }
        }
        .map_err(|error| failed(&error))?;
        Ok(self.rows)
    }
}

/// A cell as spreadsheets may open it: what they would take for a formula is marked as text.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if matches!(value, Value::String(_)) && text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        return format!("'{text}");
    }
    text
}

fn failed(error: &dyn std::fmt::Display) -> Error {
    Error::Export(error.to_string())
}

/// The names or the values of a table whose last column says which host it was: that one only where hosts share the
/// profile. Files of a profile that one machine has for itself stay as they always were.
pub(crate) fn with_host<T>(columns: &[T], is_shared: bool) -> &[T] {
    &columns[..columns.len() - usize::from(!is_shared)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format, rows: &[[Value; 2]]) -> String {
        let mut bytes = Vec::new();
        let mut table = ExportTable::begin(&mut bytes, format, &["who", "calls"]).expect("begins");
        for row in rows {
            assert!(table.row(row), "writes");
        }
        table.end().expect("ends");
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn a_cell_that_spreadsheets_would_run_is_text() {
        let csv = written(Format::Csv, &[["=HYPERLINK(\"x\")".into(), (-3).into()], ["a,b".into(), 5.into()]]);
        assert_eq!(csv, "who,calls\n\"'=HYPERLINK(\"\"x\"\")\",-3\n\"a,b\",5\n");
    }

    #[test]
    fn json_is_one_array_also_when_it_is_empty() {
        assert_eq!(written(Format::Json, &[]), "[]\n");
        let json = written(Format::Json, &[["curl".into(), 1.into()], ["node".into(), 2.into()]]);
        let read: Vec<Map<String, Value>> = serde_json::from_str(&json).expect("JSON");
        assert_eq!(read[1]["who"], "node");
    }
}
