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
    windows::is_theirs(path, access_list::CHANGES_A_FILE).map_err(|why| format!("it {why}"))?;
    let folder = path.parent().unwrap_or(path);
    windows::is_theirs(folder, access_list::REPLACES_ENTRIES).map_err(|why| format!("its folder {why}"))
}

#[cfg(windows)]
mod windows {
    use std::path::Path;

    use windows_permissions::Ace;
    use windows_permissions::constants::{AceFlags, AceType, SeObjectType, SecurityInformation};
    use windows_permissions::wrappers::GetNamedSecurityInfo;

    use super::access_list::{self, Line};

    pub(super) fn is_theirs(path: &Path, rights: u32) -> Result<(), String> {
        let asked = SecurityInformation::Owner | SecurityInformation::Dacl;
        let found = GetNamedSecurityInfo(path, SeObjectType::SE_FILE_OBJECT, asked)
            .map_err(|error| format!("can't be asked for its owner: {error}"))?;
        let line = |ace: &Ace| Line {
            sid: ace.sid().map(ToString::to_string),
            rights: ace.mask().bits(),
            denies: matches!(ace.ace_type(), AceType::ACCESS_DENIED_ACE_TYPE | AceType::ACCESS_DENIED_OBJECT_ACE_TYPE),
            is_here: !ace.flags().contains(AceFlags::InheritOnly),
        };
        let list =
            found.dacl().map(|list| (0..list.len()).filter_map(|at| list.get_ace(at)).map(line).collect::<Vec<_>>());
        access_list::is_theirs(found.owner().map(ToString::to_string).as_deref(), list.as_deref(), rights)
    }
}

/// The same decision on an access list as plain data, so that it is tried on every system.
#[cfg(any(windows, test))]
mod access_list {
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

    /// One line of an access list.
    pub(super) struct Line {
        /// Whom it is about (MS-DTYP, 2.4.2.1).
        pub(super) sid: Option<String>,
        pub(super) rights: u32,
        pub(super) denies: bool,
        /// It says something of the thing itself, not only of what will be made in it.
        pub(super) is_here: bool,
    }

    /// Whether the owner is trusted and nobody else has one of these rights. No list at all gives everything to
    /// everybody.
    pub(super) fn is_theirs(owner: Option<&str>, list: Option<&[Line]>, rights: u32) -> Result<(), String> {
        let is_trusted = |sid: Option<&str>| sid.is_some_and(|sid| TRUSTED.contains(&sid));
        if !is_trusted(owner) {
            return Err("must belong to the administrators or the system".into());
        }
        let list = list.ok_or("must have an access list")?;
        let gives_away =
            |line: &Line| line.is_here && !line.denies && line.rights & rights != 0 && !is_trusted(line.sid.as_deref());
        if list.iter().any(gives_away) {
            return Err("may be changed by others than the administrators".into());
        }
        Ok(())
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        const ADMINISTRATORS: &str = "S-1-5-32-544";
        const USERS: &str = "S-1-5-32-545";

        fn line(sid: &str, rights: u32) -> Line {
            Line { sid: Some(sid.to_owned()), rights, denies: false, is_here: true }
        }

        #[test]
        fn s10_a_policy_that_others_could_have_planted_on_windows_is_not_in_force() {
            // As Windows makes it for an administrator: everything for them, reading for everybody.
            let sound = [line(ADMINISTRATORS, 0x001f_01ff), line("S-1-5-18", 0x001f_01ff), line(USERS, 0x0012_00a9)];
            assert_eq!(is_theirs(Some(ADMINISTRATORS), Some(&sound), CHANGES_A_FILE), Ok(()));
            // Any account may make a folder below ProgramData, and owns it then.
            assert!(is_theirs(Some("S-1-5-21-1-2-3-1001"), Some(&sound), CHANGES_A_FILE).is_err());
            assert!(is_theirs(None, Some(&sound), CHANGES_A_FILE).is_err());
            assert!(is_theirs(Some(ADMINISTRATORS), None, CHANGES_A_FILE).is_err(), "no list gives everything away");
            for (name, right) in
                [("write", 0x2), ("append", 0x4), ("delete", 0x0001_0000), ("own", 0x0008_0000), ("all", 0x1000_0000)]
            {
                let given = [line(ADMINISTRATORS, 0x001f_01ff), line(USERS, right)];
                assert!(is_theirs(Some(ADMINISTRATORS), Some(&given), CHANGES_A_FILE).is_err(), "{name}");
            }
            // A folder in which others may make files, and replace none.
            let adds = [line(ADMINISTRATORS, 0x001f_01ff), line(USERS, 0x2)];
            assert_eq!(is_theirs(Some(ADMINISTRATORS), Some(&adds), REPLACES_ENTRIES), Ok(()));
            let replaces = [line(USERS, 0x40)];
            assert!(is_theirs(Some(ADMINISTRATORS), Some(&replaces), REPLACES_ENTRIES).is_err());
            let elsewhere = [Line { is_here: false, ..line(USERS, 0x2) }, Line { denies: true, ..line(USERS, 0x2) }];
            assert_eq!(is_theirs(Some(ADMINISTRATORS), Some(&elsewhere), CHANGES_A_FILE), Ok(()));
        }
    }
}

#[cfg(all(test, windows))]
mod on_windows {
    use super::*;

    #[test]
    fn what_this_account_made_is_not_the_administrators() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("policy.json");
        let file = File::create(&path).expect("a file");
        let why = is_the_administrators(&file, &path).expect_err("anybody could have made it");
        assert!(why.contains("administrators"), "{why}");
        assert!(is_the_administrators(&file, &dir.path().join("gone")).is_err());
    }
}
