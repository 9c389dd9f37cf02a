//! What every package holds, laid out as it will lie on the machine.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::tools::{MAINTAINER, NAME, day, run_for, version, write};
use crate::app::{Programs, root};

/// The bundle identifier: file names follow it, so that desktops find window, icon and entry by one name.
const IDENTIFIER: &str = "com.atthene.settings";

/// A folder with everything in its place.
pub struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    pub fn new(programs: &Programs) -> Result<Self> {
        let stage = Self { folder: tempfile::tempdir()? };
        // A temporary folder is its owner's only; the root of a system is everybody's.
        std::fs::set_permissions(stage.root(), std::fs::Permissions::from_mode(0o755))?;
        stage.programs(programs)?;
        stage.desktop()?;
        stage.command(&programs.command)?;
        stage.documents()?;
        Ok(stage)
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    fn programs(&self, programs: &Programs) -> Result<()> {
        let folder = self.at("usr/bin");
        std::fs::create_dir_all(&folder)?;
        for program in [&programs.app, &programs.command] {
            let to = folder.join(program.file_name().context("no name")?);
            std::fs::copy(program, &to).with_context(|| program.display().to_string())?;
            std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o755))?;
        }
        Ok(())
    }

    /// Entry, icons, and what software centres show.
    fn desktop(&self) -> Result<()> {
        let from = root().join("packaging/linux");
        let read = |name: String| std::fs::read_to_string(from.join(&name)).context(name);
        write(
            &self.at(&format!("usr/share/applications/{IDENTIFIER}.desktop")),
            read(format!("{IDENTIFIER}.desktop"))?,
        )?;
        let metainfo = read(format!("{IDENTIFIER}.metainfo.xml"))?.replace("@VERSION@", &version()?);
        write(&self.at(&format!("usr/share/metainfo/{IDENTIFIER}.metainfo.xml")), metainfo.replace("@DATE@", &day()?))?;
        let icons = [("32x32", "32.png"), ("128x128", "128.png"), ("512x512", "icon.png"), ("scalable", "icon.svg")];
        for (size, file) in icons {
            let extension = file.rsplit('.').next().unwrap_or_default();
            let to = self.at(&format!("usr/share/icons/hicolor/{size}/apps/{IDENTIFIER}.{extension}"));
            write(&to, std::fs::read(root().join("icons").join(file))?)?;
        }
        let unit = read("atthene.service".into())?.replace("/usr/local/bin/", "/usr/bin/");
        write(&self.at("usr/lib/systemd/user/atthene.service"), unit)
    }

    /// Manual pages and completions, as the command itself writes them.
    fn command(&self, atthene: &Path) -> Result<()> {
        let pages = self.at("usr/share/man/man1");
        std::fs::create_dir_all(&pages)?;
        run_for(Command::new(atthene).arg("man").arg("--dir").arg(&pages))?;
        write(
            &pages.join("atthene-settings.1"),
            ".TH ATTHENE-SETTINGS 1\n.SH NAME\natthene-settings \\- window of ATTHENE Settings\n.SH SEE ALSO\n.BR atthene (1)\n",
        )?;
        for page in std::fs::read_dir(&pages)? {
            run_for(Command::new("gzip").args(["--best", "--no-name"]).arg(page?.path()))?;
        }
        let completions = [
            ("bash", "usr/share/bash-completion/completions/atthene"),
            ("zsh", "usr/share/zsh/vendor-completions/_atthene"),
            ("fish", "usr/share/fish/vendor_completions.d/atthene.fish"),
        ];
        for (shell, path) in completions {
            write(&self.at(path), run_for(Command::new(atthene).args(["completions", shell]))?)?;
        }
        Ok(())
    }

    fn documents(&self) -> Result<()> {
        let folder = self.at(&format!("usr/share/doc/{NAME}"));
        let licence = |name: &str| std::fs::read_to_string(root().join(name));
        let copyright = format!(
            "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: ATTHENE Settings\n\n\
             Files: *\nCopyright: ATTHENE\nLicense: MIT or Apache-2.0\n\nLicense: MIT\n{}\n\
             License: Apache-2.0\n On Debian systems, the full text is in /usr/share/common-licenses/Apache-2.0.\n",
            indented(&licence("LICENSE-MIT")?)
        );
        write(&folder.join("copyright"), copyright)?;
        write(&folder.join("NEWS.md"), std::fs::read(root().join("CHANGELOG.md"))?)?;
        let when = run_for(Command::new("git").args(["log", "-1", "--format=%cD"]).current_dir(root()))?;
        let changelog = format!(
            "{NAME} ({}) stable; urgency=medium\n\n  * What changed for those who use it: NEWS.md.\n\n -- {MAINTAINER}  {}\n",
            version()?,
            when.trim()
        );
        write(&folder.join("changelog"), changelog)?;
        let files = ["NEWS.md", "changelog"].map(|file| folder.join(file));
        run_for(Command::new("gzip").args(["--best", "--no-name"]).args(files)).map(drop)
    }
}

/// As the copyright format wants paragraphs.
fn indented(text: &str) -> String {
    text.lines().fold(String::new(), |all, line| if line.is_empty() { all + " .\n" } else { all + " " + line + "\n" })
}
