//! Steps with a name, a place in the order, and a count of what passed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

/// Tells the person what is being done.
pub fn say(what: &str) {
    println!("── {what}");
}

/// Passed and failed checks and tests.
#[derive(Default, Clone, Copy)]
pub struct Count {
    pub passed: usize,
    pub failed: usize,
}

/// Runs steps in order and counts.
pub struct Steps {
    total: usize,
    done: usize,
    pub count: Count,
    failed: Vec<String>,
}

impl Steps {
    pub fn new(total: usize) -> Self {
        Self { total, done: 0, count: Count::default(), failed: Vec::new() }
    }

    /// A step that passes or fails as a whole.
    pub fn check(&mut self, name: &str, step: impl FnOnce() -> Result<()>) {
        self.step(name, || step().map(|()| Count { passed: 1, failed: 0 }));
    }

    /// A step that runs tests and counts them.
    pub fn tests(&mut self, name: &str, step: impl FnOnce() -> Result<Count>) {
        self.step(name, step);
    }

    fn step(&mut self, name: &str, step: impl FnOnce() -> Result<Count>) {
        self.done += 1;
        println!("\n══ [{}/{}] {name}", self.done, self.total);
        let started = Instant::now();
        let count = step().unwrap_or_else(|error| {
            println!("{error:#}");
            Count { passed: 0, failed: 1 }
        });
        self.count.passed += count.passed;
        self.count.failed += count.failed;
        let verdict = if count.failed == 0 { "ok" } else { "FAILED" };
        println!("══ {name}: {verdict} ({:.0} s)", started.elapsed().as_secs_f32());
        if count.failed > 0 {
            self.failed.push(name.to_owned());
        }
    }

    /// The closing lines; the last one is the count.
    pub fn close(self) -> Count {
        println!();
        for name in &self.failed {
            println!("failed: {name}");
        }
        println!("{} passed, {} failed", self.count.passed, self.count.failed);
        self.count
    }
}

/// Runs a command, passes its output on, and counts the tests that it reports.
pub fn counted(command: &mut Command) -> Result<Count> {
    counted_by_name(command).map(|(count, _)| count)
}

/// The same; and the names of cargo's tests that failed.
pub fn counted_by_name(command: &mut Command) -> Result<(Count, Vec<String>)> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} could not be started", command.get_program().display()))?;
    let stdout = child.stdout.take().context("no standard output")?;
    let mut count = Count::default();
    let mut names = FailedNames::default();
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        println!("{line}");
        let words = plain(&line);
        names.read(&words);
        // `test result: ok. 3 passed; 0 failed; …` of cargo, `Tests  2 failed | 5 passed (7)` of vitest.
        if words.starts_with("test result:") || words.trim_start().starts_with("Tests ") {
            count.passed += number_before(&words, "passed");
            count.failed += number_before(&words, "failed");
        }
    }
    if !child.wait()?.success() && count.failed == 0 {
        count.failed = 1;
    }
    Ok((count, names.failed))
}

/// Runs tests, and those that failed once more, each alone: where parts take part that are not ours and fail by
/// themselves now and then. More than so many at once are a defect. `run` is given what to add to the command line.
pub fn with_second_try(tries: usize, run: impl Fn(&[&str]) -> Result<(Count, Vec<String>)>) -> Result<Count> {
    let (mut count, failed) = run(&[])?;
    if failed.len() != count.failed || failed.len() > tries {
        return Ok(count);
    }
    for name in failed {
        say(&format!("a second try, said here because the first one failed: {name}"));
        let (again, _) = run(&["--exact", &name])?;
        if again.passed == 1 && again.failed == 0 {
            say(&format!("passed at the second try only: {name}"));
            count = Count { passed: count.passed + 1, failed: count.failed - 1 };
        }
    }
    Ok(count)
}

/// The names of cargo's tests that failed, from the list that stands before a program's result. The line of the test
/// itself is no source: what a test started may print into the middle of it.
#[derive(Default)]
struct FailedNames {
    listed: Vec<String>,
    failed: Vec<String>,
}

impl FailedNames {
    fn read(&mut self, line: &str) {
        if line == "failures:" {
            // The first such line begins the outputs, the second one the names.
            self.listed.clear();
        } else if line.starts_with("test result:") {
            self.failed.append(&mut self.listed);
        } else if let Some(name) = line.strip_prefix("    ").filter(|name| is_test_name(name)) {
            self.listed.push(name.to_owned());
        }
    }
}

fn is_test_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|one| one.is_alphanumeric() || "_:".contains(one))
}

fn number_before(line: &str, word: &str) -> usize {
    let words: Vec<&str> = line.split([' ', ';', ',']).filter(|part| !part.is_empty()).collect();
    words.windows(2).find(|pair| pair[1] == word).and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
}

/// The line without terminal colours.
fn plain(line: &str) -> String {
    let mut words = String::new();
    let mut parts = line.split('\u{1b}');
    words.push_str(parts.next().unwrap_or_default());
    for part in parts {
        words.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    words
}

/// Runs a command to its end; a failure is an error that names it.
pub fn must(command: &mut Command) -> Result<()> {
    let status =
        command.status().with_context(|| format!("{} could not be started", command.get_program().display()))?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_tests_are_named_whatever_stands_in_their_line() {
        let mut names = FailedNames::default();
        let printed = "test one ... ok\ntest two ... WARNING: no display\nFAILED\n\nfailures:\n\n---- two stdout ----\n    \
                       word\n\nfailures:\n    two\n    part::three\n\ntest result: FAILED. 1 passed; 2 failed";
        printed.lines().for_each(|line| names.read(line));
        assert_eq!(names.failed, ["two", "part::three"]);
    }

    #[test]
    fn counts_are_read_from_both_runners() {
        let cargo = "test result: FAILED. 33 passed; 2 failed; 0 ignored; 0 measured";
        assert_eq!((number_before(cargo, "passed"), number_before(cargo, "failed")), (33, 2));
        let vitest = plain("\u{1b}[2m      Tests \u{1b}[22m \u{1b}[1m\u{1b}[31m1 failed\u{1b}[39m | 5 passed (6)");
        assert!(vitest.trim_start().starts_with("Tests "), "{vitest:?}");
        assert_eq!((number_before(&vitest, "passed"), number_before(&vitest, "failed")), (5, 1));
    }
}
