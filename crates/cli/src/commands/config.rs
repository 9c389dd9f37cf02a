//! `atthene config`.

use std::io::Write as _;
use std::sync::Arc;

use atthene_core::{Core, SecretChange, Settings};
use serde_json::{Map, Value, json};

use crate::args::ConfigCommand;
use crate::out::{CommandResult, Failure, Out, secret_from_stdin};

/// Not one of the settings: it lies in the keychain, and is read from standard input.
const CREDENTIAL: &str = "runtime_credential";

pub(crate) async fn run(core: &Arc<Core>, out: &Out, command: ConfigCommand) -> CommandResult {
    let values = values(core)?;
    match command {
        ConfigCommand::List => {
            let fixed = core.settings.fixed();
            out.result(&values, |to| {
                let rows: Vec<_> = values
                    .iter()
                    .map(|(name, value)| {
                        let by = if fixed.contains(name) { "set by your administrator" } else { "" };
                        vec![name.clone(), plain(value), by.to_owned()]
                    })
                    .collect();
                out.table(to, &["NAME", "VALUE", ""], &rows)
            })
        }
        ConfigCommand::Get { name } => {
            let value = values.get(&name).ok_or_else(|| unknown(&name))?;
            out.result(value, |to| writeln!(to, "{}", plain(value)))
        }
        ConfigCommand::Set { name, value } if name == CREDENTIAL => {
            if value.is_some() {
                return Err(Failure::Use("A credential is read from standard input, never from an argument.".into()));
            }
            let secret = secret_from_stdin()?;
            core.save_settings(Settings::clone(&core.settings.current()), SecretChange::Replace(secret)).await?;
            out.done(&json!({ "runtime_has_credential": true }), "It is kept.")
        }
        ConfigCommand::Set { name, value } => {
            let value = value.ok_or_else(|| Failure::Use("A value is missing.".into()))?;
            set(core, out, values, name, &value).await
        }
    }
}

fn values(core: &Core) -> Result<Map<String, Value>, Failure> {
    match serde_json::to_value(core.settings.in_force()) {
        Ok(Value::Object(mut values)) => {
            values.sort_keys();
            Ok(values)
        }
        _ => Err(Failure::Failed("The settings can't be shown.".into())),
    }
}

fn unknown(name: &str) -> Failure {
    Failure::Use(format!("There is no setting {name:?}; `atthene config list` names them all."))
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// What kind of value it has to be; what stands there now is of that kind.
fn wanted(now: &Value, error: &serde_json::Error) -> String {
    match now {
        Value::Bool(_) => "it is true or false".into(),
        Value::Number(_) => "it is a whole number, and not a large one".into(),
        _ => error.to_string(),
    }
}

async fn set(core: &Arc<Core>, out: &Out, mut values: Map<String, Value>, name: String, typed: &str) -> CommandResult {
    let before = values.get(&name).ok_or_else(|| unknown(&name))?;
    // Whether a credential is there follows from `runtime_credential` alone.
    if name == "runtime_has_credential" {
        return Err(Failure::Use(format!("Use `atthene config set {CREDENTIAL}`.")));
    }
    // A number or a switch as such, everything else as text; nothing clears what may be empty.
    let value = match serde_json::from_str(typed) {
        Ok(value @ (Value::Bool(_) | Value::Number(_))) if !before.is_string() => value,
        _ if typed.is_empty() => Value::Null,
        _ => Value::String(typed.to_owned()),
    };
    let (done, kind) = (json!({ &name: &value }), before.clone());
    values.insert(name.clone(), value);
    let new: Settings = serde_json::from_value(values.into())
        .map_err(|error| Failure::Use(format!("{typed:?} is no value for {name}: {}.", wanted(&kind, &error))))?;
    core.save_settings(new, SecretChange::Keep).await?;
    match (name.as_str(), typed) {
        ("vault", "file") => out.tell(
            "From now on secrets lie in an encrypted file. That is weaker than a keychain: whoever reads its passphrase \
             reads every secret. Secrets that lie in the keychain stay there.",
        ),
        ("vault", "keychain") => out.tell(
            "From now on secrets lie in the keychain. Those in the encrypted file stay there: enter them anew, and sign in \
             again.",
        ),
        _ => {}
    }
    out.result(&done, |_| Ok(()))
}
