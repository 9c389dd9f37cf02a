//! A network of its own for one host, where the system lets us make one: a loopback, and nothing else.

use std::fs::File;
use std::io::{BufRead, BufReader, Error, Result};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Lives until it is dropped, or its maker ends.
pub struct Space {
    holder: Child,
    file: File,
}

impl Space {
    /// An error where this account may not make one.
    pub fn new() -> Result<Self> {
        // It holds the network until its input ends, whichever way we end.
        let held = "ip link set lo up && echo up && exec cat";
        let mut holder = Command::new("unshare")
            .args(["--net", "sh", "-c", held])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut said = String::new();
        let out = holder.stdout.take().ok_or_else(|| Error::other("no standard output"))?;
        BufReader::new(out).read_line(&mut said)?;
        let file = File::open(path(&holder))?;
        let space = Self { holder, file };
        if said.is_empty() { Err(Error::other("no network of its own")) } else { Ok(space) }
    }

    /// Moves the thread that calls this in here, for good: what it opens from now on is in here.
    pub fn enter(&self) -> Result<()> {
        Ok(move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))?)
    }

    /// Does this in here, on a thread of its own. A socket stays where it was made, whoever uses it afterwards.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let inside = || {
            self.enter()?;
            work()
        };
        std::thread::scope(|scope| scope.spawn(inside).join().expect("no panic"))
    }

    /// A program in here. Its process is that of the program itself.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", path(&self.holder))).arg(program);
        command
    }
}

fn path(holder: &Child) -> String {
    format!("/proc/{}/ns/net", holder.id())
}

impl Drop for Space {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
