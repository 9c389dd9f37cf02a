//! A connection's two ends, and the short name of the program at one of them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The two ends of a connection, the caller's first.
pub(crate) type Ends = (SocketAddr, SocketAddr);

/// Where a program runs, for whoever has to give it another key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunsIn {
    pub process: i32,
    /// The folder that it works in.
    pub folder: PathBuf,
}

/// A short name for a process: its program and, for an interpreter, the script it runs.
/// Nothing else of a command line is ever looked at: arguments hold secrets.
pub(super) fn describe(arguments: &[String]) -> Option<String> {
    let file_name = |path: &str| Path::new(path).file_name().and_then(|name| name.to_str()).map(clean);
    let program = file_name(arguments.first()?)?;
    let runs_scripts =
        ["node", "deno", "bun", "python", "ruby", "perl", "php", "bash", "sh", "pwsh"].iter().any(|name| {
            program
                .strip_prefix(name)
                .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.') || rest == ".exe")
        });
    let script = arguments
        .get(1)
        .filter(|argument| runs_scripts && !argument.starts_with('-') && Path::new(argument).extension().is_some())
        .and_then(|argument| file_name(argument));
    Some(match script {
        Some(script) => format!("{program} {script}"),
        None => program,
    })
}

const LONGEST_NAME: usize = 60;

fn clean(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_named_with_its_script_and_nothing_else() {
        let named = |line: &[&str]| describe(&line.iter().map(|&part| part.to_owned()).collect::<Vec<_>>());
        assert_eq!(
            named(&["/usr/bin/node", "/srv/app/server.js", "--token=s3cret"]).as_deref(),
            Some("node server.js")
        );
        assert_eq!(named(&["python3.11", "agent.py"]).as_deref(), Some("python3.11 agent.py"));
        assert_eq!(named(&["curl", "-H", "Authorization: Bearer x"]).as_deref(), Some("curl"));
        assert_eq!(named(&["/usr/bin/python3", "-c", "print('x.y')"]).as_deref(), Some("python3"));
        assert_eq!(named(&["bash", "s3cret"]).as_deref(), Some("bash"));
        assert_eq!(named(&["noderig", "a.js"]).as_deref(), Some("noderig"));
        assert_eq!(named(&[]), None);
    }
}
