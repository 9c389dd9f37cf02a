//! The life of the .deb on a fresh Debian, in a folder that debootstrap fills: `tests/packages/inside.sh` is what is done
//! there. Needs root, for a root folder of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::make;
use super::tools::{run_for, version, write};
use crate::app::{Programs, root, target};
use crate::packages;
use crate::steps::{Count, must, say};

/// What the systems' own tools say of the packages. Nothing of it is let pass.
pub fn look(programs: &Programs) -> Result<()> {
    packages::ensure(packages::For::Packaging)?;
    let made = make(programs)?;
    must(Command::new("lintian").args(["--fail-on", "error,warning", "--tag-display-limit", "0"]).arg(&made[0]))?;
    // As they lie on the machine: what stands in them is filled in on the way.
    let tree = tempfile::tempdir()?;
    must(Command::new("dpkg-deb").arg("--extract").arg(&made[0]).arg(tree.path()))?;
    let share = tree.path().join("usr/share");
    must(Command::new("desktop-file-validate").arg(share.join("applications/com.atthene.settings.desktop")))?;
    let metainfo = share.join("metainfo/com.atthene.settings.metainfo.xml");
    must(Command::new("appstreamcli").args(["validate", "--no-net"]).arg(metainfo))?;
    let requires = run_for(Command::new("rpm").args(["--query", "--package", "--requires"]).arg(&made[1]))?;
    let strange = |line: &&str| {
        !(line.starts_with("lib")
            || line.starts_with("ld-linux")
            || line.starts_with("rtld(")
            || line.starts_with("rpmlib("))
    };
    let strange: Vec<_> = requires.lines().filter(strange).filter(|line| *line != "xdg-utils").collect();
    ensure!(strange.is_empty(), "the .rpm requires what is no library: {strange:?}");
    Ok(())
}

/// Installs, upgrades, uses and removes the .deb; counts what was seen to hold.
pub fn walk() -> Result<Count> {
    let folder = target().join("packages");
    let old = only_deb(&folder)?;
    let inside = fresh()?;
    let handed = inside.path().join("packages");
    std::fs::create_dir_all(&handed)?;
    std::fs::copy(&old, handed.join("old.deb"))?;
    later(&old, &handed.join("new.deb"))?;
    std::fs::copy(root().join("tests/packages/inside.sh"), inside.path().join("inside.sh"))?;
    let script = format!(
        "cd '{}' && mount -t proc proc proc && mount --rbind /dev dev && mount -t tmpfs tmpfs dev/shm && mount -t tmpfs \
         tmpfs tmp && exec chroot . bash /inside.sh /packages/old.deb /packages/new.deb",
        inside.path().display()
    );
    // Mounts and processes of its own, which end with it.
    let mut running = Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", &script])
        .stdout(Stdio::piped())
        .spawn()
        .context("unshare")?;
    let mut count = Count::default();
    for line in BufReader::new(running.stdout.take().context("a pipe")?).lines() {
        let line = line?;
        println!("{line}");
        count.passed += usize::from(line.starts_with("ok: "));
    }
    count.failed += usize::from(!running.wait()?.success());
    Ok(count)
}

fn only_deb(folder: &Path) -> Result<PathBuf> {
    let found = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    found.into_iter().find(|path| path.extension().is_some_and(|end| end == "deb")).context("there is no .deb")
}

/// A Debian like this one with nothing in it but what each has, and a person.
fn fresh() -> Result<tempfile::TempDir> {
    let release = std::fs::read_to_string("/etc/os-release")?;
    let name = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).context("no name")?.to_owned();
    let base = target().join(format!("debian-{name}"));
    if !base.join("etc/os-release").exists() {
        say("a fresh Debian (once)");
        let made = base.with_extension("begun");
        let _ = std::fs::remove_dir_all(&made);
        must(Command::new("debootstrap").arg("--variant=minbase").arg(&name).arg(&made))?;
        std::fs::rename(&made, &base)?;
    }
    let fresh = tempfile::tempdir_in(target())?;
    std::fs::set_permissions(fresh.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    // The way to packages is this machine's.
    let here = "cp -a \"$1\"/. \"$2\" && cp /etc/resolv.conf \"$2\"/etc/ && cp -a /etc/apt/apt.conf.d/. \"$2\"/etc/apt/apt.conf.d/";
    must(Command::new("sh").args(["-ec", here, "sh"]).arg(&base).arg(fresh.path()))?;
    must(Command::new("chroot").arg(fresh.path()).args(["useradd", "--create-home", "ada"]))?;
    Ok(fresh)
}

/// The same package as the next version would be.
fn later(package: &Path, to: &Path) -> Result<()> {
    let tree = tempfile::tempdir()?;
    let tree = tree.path().join("tree");
    must(Command::new("dpkg-deb").arg("--raw-extract").arg(package).arg(&tree))?;
    let control = tree.join("DEBIAN/control");
    let (version, text) = (version()?, std::fs::read_to_string(&control)?);
    write(&control, text.replace(&format!("Version: {version}\n"), &format!("Version: {version}+1\n")))?;
    must(Command::new("dpkg-deb").args(["--build", "--root-owner-group"]).arg(&tree).arg(to))
}
