//! What the command prints, and how it ends.

use std::fmt::Display;
use std::io::{self, IsTerminal, Read as _, Write};
use std::process::ExitCode;

use atthene_core::{Code, Error, UnixMs};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::plain::{Plain, cell, escaped};

/// Standard output, as people read it.
pub(crate) type Printer = Plain<io::StdoutLock<'static>>;

/// How a command failed.
pub(crate) enum Failure {
    /// The core refused.
    Core(Error),
    /// It was used wrongly.
    Use(String),
    /// What it is about is not there.
    NotFound(String),
    /// It did what it could, and something is wrong all the same.
    Failed(String),
    /// The same, with what helps.
    Helped(String, String),
    /// Whoever reads the output is gone.
    Output(io::Error),
    /// It was told to end, by the signal of this number.
    Interrupted(u8),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

pub(crate) type CommandResult = Result<(), Failure>;

impl Failure {
    fn exit(&self) -> u8 {
        let error = match self {
            Self::Core(error) => error,
            Self::Use(_) => return 2,
            Self::NotFound(_) => return 3,
            Self::Failed(_) | Self::Helped(..) | Self::Output(_) => return 1,
            // As shells tell it.
            Self::Interrupted(signal) => return 128 + signal,
        };
        match error.code() {
            Code::InvalidName
            | Code::InvalidNote
            | Code::InvalidExpiry
            | Code::InvalidSetting
            | Code::InvalidIntegration => 2,
            Code::KeyNotFound
            | Code::IntegrationNotFound
            | Code::ConnectionNotFound
            | Code::ApprovalNotFound
            | Code::UnknownRequest => 3,
            Code::FixedByPolicy
            | Code::SecretMissing
            | Code::KeychainMissing
            | Code::KeyringMissing
            | Code::VaultFile
            | Code::KeychainLocked
            | Code::KeychainRefused
            | Code::KeychainTimeout
            | Code::VaultPassphrase
            | Code::OtherFleetKey
            | Code::SealedDamaged => 4,
            _ => 1,
        }
    }
}

/// Where a command prints.
pub(crate) struct Out {
    json: bool,
    quiet: bool,
    colours: bool,
}

impl Out {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { json, quiet, colours: io::stdout().is_terminal() && !plain }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// What was asked for: as JSON, or the way `human` writes it.
    pub(crate) fn result(
        &self,
        value: &impl Serialize,
        human: impl FnOnce(&mut Printer) -> io::Result<()>,
    ) -> CommandResult {
        let mut out = io::stdout().lock();
        if self.json {
            let json = serde_json::to_string_pretty(&for_scripts(value)?).map_err(io::Error::from)?;
            writeln!(out, "{}", escaped(&json))?;
            return Ok(out.flush()?);
        }
        let mut out = Plain::new(out);
        human(&mut out)?;
        Ok(out.flush()?)
    }

    /// The same in one line, for a command whose log goes on beside it.
    pub(crate) fn line(&self, value: &impl Serialize, human: impl Display) -> CommandResult {
        let mut out = io::stdout().lock();
        if self.json {
            let json = serde_json::to_string(&for_scripts(value)?).map_err(io::Error::from)?;
            writeln!(out, "{}", escaped(&json))?;
        } else {
            writeln!(Plain::new(&mut out), "{human}")?;
        }
        Ok(out.flush()?)
    }

    /// What was done: `value` for scripts, `text` for people.
    pub(crate) fn done(&self, value: &impl Serialize, text: impl Display) -> CommandResult {
        self.result(value, |_| Ok(()))?;
        self.say(text);
        Ok(())
    }

    /// A table on a terminal; the same columns with tabs between them elsewhere.
    pub(crate) fn table(&self, out: &mut Printer, heads: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|text| cell(text)).collect()).collect();
        if !io::stdout().is_terminal() {
            for row in &rows {
                writeln!(out, "{}", row.join("\t"))?;
            }
            return Ok(());
        }
        let width = |at: usize| {
            let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
            cells.chain([heads[at].len()]).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..heads.len()).map(width).collect();
        let line = |cells: &[String]| -> String {
            let padded = cells.iter().zip(&widths).map(|(cell, width)| {
                let gap = width.saturating_sub(cell.chars().count());
                format!("{cell}{}", " ".repeat(gap))
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
        let (dim, plain) = if self.colours { ("\u{1b}[2m", "\u{1b}[0m") } else { ("", "") };
        out.style(dim)?;
        write!(out, "{}", line(&heads))?;
        out.style(plain)?;
        writeln!(out)?;
        rows.iter().try_for_each(|row| writeln!(out, "{}", line(row)))
    }

    /// What a person has to know for it to go on, also where the rest is quiet: on standard error.
    pub(crate) fn tell(&self, text: impl Display) {
        if !self.json {
            let _ = writeln!(Plain::new(io::stderr()), "{text}");
        }
    }

    /// The same with what a script is told of it, in a line of its own.
    pub(crate) fn tell_all(&self, value: &Value, text: impl Display) {
        if self.json {
            let _ = writeln!(io::stderr(), "{}", escaped(&value.to_string()));
        }
        self.tell(text);
    }

    /// What helps a person and no script: on standard error.
    pub(crate) fn say(&self, text: impl Display) {
        if !self.quiet && !self.json {
            let _ = writeln!(Plain::new(io::stderr()), "{text}");
        }
    }

    /// Says why it failed.
    pub(crate) fn end(&self, outcome: CommandResult) -> ExitCode {
        let Err(failure) = outcome else { return ExitCode::SUCCESS };
        let (code, message, remedy) = match &failure {
            Failure::Core(error) => (serde_json::to_value(error.code()).ok(), error.to_string(), error.remedy()),
            Failure::Use(message) => (Some("wrong_use".into()), message.clone(), "See --help.".into()),
            Failure::NotFound(message) => (Some("not_found".into()), message.clone(), "".into()),
            Failure::Failed(message) => (Some("failed".into()), message.clone(), "".into()),
            Failure::Helped(message, remedy) => (Some("failed".into()), message.clone(), remedy.clone().into()),
            Failure::Interrupted(_) => return ExitCode::from(failure.exit()),
            // A reader that has seen enough, such as `head`.
            Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
            Failure::Output(error) => (Some("failed".into()), error.to_string(), "".into()),
        };
        let mut err = io::stderr().lock();
        let _ = if self.json {
            let remedy = Some(remedy).filter(|remedy| !remedy.is_empty());
            let error = serde_json::json!({ "error": { "code": code, "message": message, "remedy": remedy } });
            writeln!(err, "{}", escaped(&error.to_string()))
        } else {
            let mut err = Plain::new(err);
            writeln!(err, "{message}").and_then(|()| if remedy.is_empty() { Ok(()) } else { writeln!(err, "{remedy}") })
        };
        ExitCode::from(failure.exit())
    }
}

/// As JSON, with every moment as RFC 3339 writes it: the window counts milliseconds, a script's reader
/// does not.
fn for_scripts(value: &impl Serialize) -> io::Result<Value> {
    let mut value = serde_json::to_value(value)?;
    write_moments(&mut value);
    Ok(value)
}

fn write_moments(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(write_moments),
        Value::Object(fields) => {
            for (name, value) in fields {
                if names_a_moment(name) { moment(value) } else { write_moments(value) }
            }
        }
        _ => {}
    }
}

/// The names that moments have wherever they cross to a face. A list of moments has none of these: whoever
/// has one writes it out itself.
fn names_a_moment(name: &str) -> bool {
    matches!(name, "at" | "from" | "since" | "until") || name.ends_with("_at") || name.ends_with("_until")
}

fn moment(value: &mut Value) {
    match value {
        Value::Number(ms) => {
            if let Some(ms) = ms.as_i64() {
                *value = UnixMs(ms).rfc3339().into();
            }
        }
        _ => write_moments(value),
    }
}

/// Goes on only with a yes from the terminal.
pub(crate) fn ask(question: &str, refused: &str) -> CommandResult {
    write!(Plain::new(io::stderr()), "{question} [y/N] ")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(Failure::Failed(refused.into())) }
}

/// A secret from standard input, without the end of its line. On a terminal it is asked for, and what
/// is typed stays unseen.
pub(crate) fn secret_from_stdin() -> Result<SecretString, Failure> {
    if io::stdin().is_terminal() {
        return Ok(rpassword::prompt_password("Secret: ")?.into());
    }
    let mut text = Zeroizing::new(String::new());
    io::stdin().lock().read_to_string(&mut text)?;
    Ok(text.trim_end_matches(['\r', '\n']).into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn moments_are_written_as_text_wherever_they_stand() {
        let value = json!({
            "keys": [{ "created_at": 1_790_000_000_000_i64, "ended_at": null, "requests": 1_790_000_000_000_i64 }],
            "steps": [0, 3_600_000],
            "until": { "at": 0 },
        });
        let written = json!({
            "keys": [{ "created_at": "2026-09-21T14:13:20.000Z", "ended_at": null, "requests": 1_790_000_000_000_i64 }],
            "steps": [0, 3_600_000],
            "until": { "at": "1970-01-01T00:00:00.000Z" },
        });
        assert_eq!(for_scripts(&value).expect("JSON"), written);
    }
}
