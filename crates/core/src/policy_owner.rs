//! Whether only the administrator of the machine could have written a file, and put it where it is.

use std::fs::File;
use std::path::Path;

/// Says why not. `file` is the open one, so that it is the very file that is read.
#[cfg(unix)]
pub(crate) fn is_the_administrators(file: &File, path: &Path) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    const OTHERS_MAY_WRITE: u32 = 0o022;
    let check = |what: &str, meta: std::io::Result<std::fs::Metadata>| {
        let meta = meta.map_err(|error| error.to_string())?;
        if meta.uid() != 0 || meta.mode() & OTHERS_MAY_WRITE != 0 {
            return Err(format!("{what} must belong to root, and only root may write it"));
        }
        Ok(())
    };
    check("it", file.metadata())?;
    check("its folder", path.parent().unwrap_or(path).metadata())
}

/// Windows: any account may make folders below `ProgramData`, and owns what it makes. So the file and its
/// folder must belong to the administrators or the system, and nobody else may change or replace them.
#[cfg(windows)]
pub(crate) fn is_the_administrators(_file: &File, path: &Path) -> Result<(), String> {
    windows::is_theirs(path, windows::CHANGES_A_FILE).map_err(|why| format!("it {why}"))?;
    let folder = path.parent().unwrap_or(path);
    windows::is_theirs(folder, windows::REPLACES_ENTRIES).map_err(|why| format!("its folder {why}"))
}

#[cfg(windows)]
mod windows {
    use std::path::Path;

    use windows_permissions::constants::{AceFlags, AceType, SeObjectType, SecurityInformation};
    use windows_permissions::wrappers::GetNamedSecurityInfo;
    use windows_permissions::{Ace, LocalBox, Sid};

    /// Access rights, as an access mask has them (winnt.h): delete, change the access list, take
    /// ownership, everything, write.
    const TAKES_OVER: u32 = 0x0001_0000 | 0x0004_0000 | 0x0008_0000 | 0x1000_0000 | 0x4000_0000;
    /// The same and: write data, append, write extended attributes, write attributes.
    pub(super) const CHANGES_A_FILE: u32 = TAKES_OVER | 0x2 | 0x4 | 0x10 | 0x100;
    /// The same and: delete what is in it. Making new files is no replacing.
    pub(super) const REPLACES_ENTRIES: u32 = TAKES_OVER | 0x40;

    /// Administrators, the system, and the installer of Windows itself.
    const TRUSTED: [&str; 3] =
        ["S-1-5-32-544", "S-1-5-18", "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"];

    pub(super) fn is_theirs(path: &Path, rights: u32) -> Result<(), String> {
        let trusted: Vec<LocalBox<Sid>> = TRUSTED
            .iter()
            .map(|sid| sid.parse())
            .collect::<Result<_, std::io::Error>>()
            .map_err(|error| error.to_string())?;
        let is_trusted = |sid: Option<&Sid>| sid.is_some_and(|sid| trusted.iter().any(|one| **one == *sid));
        let asked = SecurityInformation::Owner | SecurityInformation::Dacl;
        let found = GetNamedSecurityInfo(path, SeObjectType::SE_FILE_OBJECT, asked)
            .map_err(|error| format!("can't be asked for its owner: {error}"))?;
        if !is_trusted(found.owner()) {
            return Err("must belong to the administrators or the system".into());
        }
        // No list at all gives everything to everybody.
        let list = found.dacl().ok_or("must have an access list")?;
        let gives_away = |ace: &Ace| {
            let denies =
                matches!(ace.ace_type(), AceType::ACCESS_DENIED_ACE_TYPE | AceType::ACCESS_DENIED_OBJECT_ACE_TYPE);
            let is_here = !ace.flags().contains(AceFlags::InheritOnly);
            is_here && !denies && ace.mask().bits() & rights != 0 && !is_trusted(ace.sid())
        };
        if (0..list.len()).filter_map(|at| list.get_ace(at)).any(gives_away) {
            return Err("may be changed by others than the administrators".into());
        }
        Ok(())
    }
}
