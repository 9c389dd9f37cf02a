//! The package for Fedora and openSUSE.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::stage::Stage;
use super::tools::{DESCRIPTION, NAME, SUMMARY, run_for, version, write};

pub fn make(stage: &Stage, out: &Path) -> Result<PathBuf> {
    let work = tempfile::tempdir()?;
    let spec = work.path().join("atthene.spec");
    write(&spec, text(stage.root())?)?;
    run_for(
        Command::new("rpmbuild")
            .args(["-bb", "--quiet", "--define"])
            .arg(format!("_topdir {}", work.path().join("build").display()))
            .args(["--define", &format!("_rpmdir {}", work.path().join("made").display())])
            .arg(&spec),
    )?;
    let made = work.path().join("made").join(std::env::consts::ARCH);
    let file = std::fs::read_dir(&made)?.flatten().next().context("rpmbuild made nothing")?.path();
    let package = out.join(file.file_name().context("no name")?);
    std::fs::copy(file, &package)?;
    Ok(package)
}

fn text(stage: &Path) -> Result<String> {
    let stage = stage.display();
    // What it needs of libraries, rpmbuild reads from the programs.
    Ok(format!(
        r#"Name: {NAME}
Version: {}
Release: 1
Summary: {SUMMARY}
License: MIT OR Apache-2.0
Requires: xdg-utils
Recommends: gnome-keyring
%global debug_package %{{nil}}
%global _build_id_links none
%global __os_install_post %{{nil}}

%description
{DESCRIPTION}

%install
mkdir -p %{{buildroot}}
cp -a {stage}/usr %{{buildroot}}/
mv %{{buildroot}}/usr/share/zsh/vendor-completions %{{buildroot}}/usr/share/zsh/site-functions
mkdir -p %{{buildroot}}/usr/share/licenses
mv %{{buildroot}}/usr/share/doc/{NAME} %{{buildroot}}/usr/share/licenses/{NAME}

%files
%attr(0755, root, root) /usr/bin/*
/usr/share/applications/*
/usr/share/icons/hicolor/*/apps/*
/usr/share/metainfo/*
/usr/share/man/man1/*
/usr/share/bash-completion/completions/*
/usr/share/zsh/site-functions/*
/usr/share/fish/vendor_completions.d/*
/usr/lib/systemd/user/*
%license /usr/share/licenses/{NAME}
"#,
        version()?
    ))
}
