//! The database under the conditions that people meet: locked, full, damaged, newer, not
//! writable, and a process that dies at any moment.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use atthene_core::{Clock, Code, Core, Error};
use atthene_store::DATABASE_FILE;
use atthene_test_support::machine::{Machine, live, new_key};
use atthene_test_support::open;
use atthene_test_support::raw_rows::RawRows;
use atthene_test_support::sqlite_only;
use atthene_vault::MemoryVault;
use rusqlite::Connection;

fn try_open(dir: &std::path::Path) -> Result<Arc<Core>, Error> {
    open(dir, Clock::system(), MemoryVault::default())
}

fn open_error(dir: &std::path::Path) -> Error {
    match try_open(dir) {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

#[test]
fn a_database_that_another_program_holds_is_said_and_works_again_afterwards() {
    let machine = Machine::new();
    let core = machine.open();
    let held = RawRows::of(machine.dir.path()).hold();
    let locked = core.keys.create(new_key("k", 7, None)).expect_err("locked");
    assert_eq!(locked.code(), Code::DatabaseLocked);
    assert!(locked.remedy().contains("Close the program"), "{}", locked.remedy());
    drop(held);
    core.keys.create(new_key("k", 7, None)).expect("works again");
}

#[test]
fn a_full_disk_is_said_and_loses_nothing() {
    sqlite_only!("its disk is another machine's");
    // SQLite answers SQLITE_FULL at this limit just as on a full disk, but the limit belongs
    // to a connection: a folder on a tiny file system is the honest way.
    let Some(tiny) = TinyDisk::mount() else {
        return eprintln!("no right to mount a file system here: nothing was checked");
    };
    let core = try_open(&tiny.0.path().join("data")).expect("opens");
    let (_, mut last) = core.keys.create(new_key("k", 7, None)).expect("creates");
    std::fs::File::create(tiny.0.path().join("filler")).expect("made").write_all(&vec![0; 8 << 20]).expect_err("full");
    let full = loop {
        match core.keys.create(new_key("k", 7, Some(last.id()))) {
            Ok((_, text)) => last = text,
            Err(error) => break error,
        }
    };
    assert_eq!(full.code(), Code::DiskFull, "{full}");
    assert_eq!(live(&core), Some(last.id()), "the key before is still live");
    std::fs::remove_file(tiny.0.path().join("filler")).expect("removed");
    core.keys.create(new_key("k", 7, Some(last.id()))).expect("works again");
}

struct TinyDisk(tempfile::TempDir);

impl TinyDisk {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().ok()?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=512k", "tmpfs"])
            .arg(dir.path())
            .stderr(Stdio::null())
            .status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(dir))
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[test]
fn a_folder_that_can_not_be_written_is_named() {
    sqlite_only!("no rows lie in the folder");
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("file");
    std::fs::write(&file, "in the way").expect("written");
    let error = open_error(&file.join("data"));
    assert_eq!(error.code(), Code::DataFolderNotWritable);
    assert!(error.to_string().contains("data"), "{error}");
}

#[test]
fn a_newer_and_a_damaged_database_are_told_apart_and_left_alone() {
    sqlite_only!("this writes into the file; what is newer there is a test of the store");
    let machine = Machine::new();
    drop(machine.open());
    let path = machine.dir.path().join(DATABASE_FILE);
    Connection::open(&path).expect("opens").pragma_update(None, "user_version", 99).expect("set");
    assert_eq!(open_error(machine.dir.path()).code(), Code::DatabaseNewer);

    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join(DATABASE_FILE), "this is no database, and long enough to be read as one".repeat(50))
        .expect("written");
    assert_eq!(open_error(dir.path()).code(), Code::DatabaseDamaged);
}

#[test]
fn two_processes_may_make_the_database_at_once() {
    let machine = Machine::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|_| scope.spawn(|| machine.open().keys.list().expect("lists").len())).collect();
        for thread in threads {
            assert_eq!(thread.join().expect("joins"), 0);
        }
    });
}

#[cfg(unix)]
#[test]
fn files_are_their_owners_only_and_hold_no_key_text() {
    use std::os::unix::fs::PermissionsExt;
    let machine = Machine::new();
    let core = machine.open();
    let (_, text) = core.keys.create(new_key("k", 7, None)).expect("creates");
    core.usage.flush().expect("flushes");
    for entry in std::fs::read_dir(machine.dir.path()).expect("lists").flatten() {
        let mode = entry.metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
        let bytes = std::fs::read(entry.path()).expect("read");
        let secret = &text.expose().as_bytes()[15..];
        assert!(
            !bytes.windows(secret.len()).any(|window| window == secret),
            "the key's text lies in {}",
            entry.path().display()
        );
    }
}

const CHILD: &str = "ATTHENE_TEST_CHILD";

/// Not a test of its own: the process that the next test kills.
#[test]
fn child_that_creates_keys_until_it_is_killed() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let core = try_open(std::path::Path::new(&dir)).expect("opens");
    loop {
        let (_, text) = core.keys.create(new_key("k", 7, live(&core))).expect("creates");
        println!("\ncreated {}", text.expose());
    }
}

#[test]
fn a_process_killed_at_any_moment_leaves_one_live_key_and_it_is_the_last_one_told() {
    let machine = Machine::new();
    for round in 0..6 {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["durability::child_that_creates_keys_until_it_is_killed", "--nocapture", "--exact"])
            .env(CHILD, machine.dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut told = Vec::new();
        for line in BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok) {
            if let Some(text) = line.strip_prefix("created ") {
                told.push(text.to_owned());
            }
            // Somewhere inside the next creation.
            if told.len() == 2 + round {
                child.kill().expect("kills");
                break;
            }
        }
        child.wait().expect("ends");
        let core = machine.open();
        let keys = core.keys.list().expect("lists");
        assert_eq!(keys.iter().filter(|key| key.ended_at.is_none()).count(), 1);
        // The last one told, or the one that was being created when the process died.
        let last = told.last().expect("some were told");
        let at = keys
            .iter()
            .position(|key| &*key.id.0 == atthene_core::keys::parse(last).expect("a key"))
            .expect("it is there");
        assert!(at <= 1, "a key that was told of is gone");
    }
}
