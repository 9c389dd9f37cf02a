//! What another host needs to join a fleet, in one file that only a passphrase opens.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use atthene_core::UnixMs;

use crate::age_file::{self, NotOpened};
use crate::fleet_key::FleetKey;
use crate::invite_passphrase::{generate, normal};

/// An invite has some hundred bytes.
const LARGEST: usize = 64 * 1024;
const VERSION: u32 = 1;
/// scrypt's cost as a power of two: tens of milliseconds and 32 MiB. The passphrase is too long to be guessed at any.
const WORK_FACTOR: u8 = 15;
/// A file may come from anybody, and each step doubles what it costs to look at it (this: 128 MiB).
const MOST_WORK: u8 = 17;

/// What a host joins a fleet with.
#[derive(Debug)]
pub struct Invite {
    /// Where the rows lie, with the password of the database.
    pub url: SecretString,
    pub key: FleetKey,
    /// What secrets are sealed for ([`crate::Sealed::new`]).
    pub profile: String,
    pub made_at: UnixMs,
}

/// Why a file invites nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InviteError {
    /// Or the file was damaged where that can't be told apart.
    #[error("the passphrase does not open this invite; type it as it was shown, or ask for a new invite")]
    Passphrase,
    #[error("this file is no invite to a fleet, or is not whole any more; ask for it again")]
    NoInvite,
    #[error("this invite was made by a newer version of ATTHENE Settings; install the newest version on this host")]
    Newer,
    #[error("this file is too large for an invite (more than 64 KiB); choose the file that was made as one")]
    TooLarge,
    #[error(
        "opening this file takes more work than that of an invite does, and it was not tried; ask for a new invite"
    )]
    Work,
    #[error("the invite could not be made")]
    NotMade,
}

/// As it lies in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InviteText<'a> {
    version: u32,
    url: std::borrow::Cow<'a, str>,
    fleet_key: std::borrow::Cow<'a, str>,
    profile: String,
    made_at: i64,
}

/// What every version says.
#[derive(Deserialize)]
struct InviteVersion {
    version: u32,
}

impl Invite {
    /// The file (armored age, which `age --decrypt` opens, too) and its passphrase, which is nowhere else: to be shown
    /// once, and told on another way than the file. Blocks for tens of milliseconds.
    pub fn seal(&self) -> Result<(String, SecretString), InviteError> {
        let key = self.key.text();
        let text = InviteText {
            version: VERSION,
            url: self.url.expose_secret().into(),
            fleet_key: key.expose_secret().into(),
            profile: self.profile.clone(),
            made_at: self.made_at.0,
        };
        // With room from the start: a buffer that grows leaves copies.
        let mut plain = Zeroizing::new(Vec::with_capacity(LARGEST));
        serde_json::to_writer(&mut *plain, &text).map_err(|_| InviteError::NotMade)?;
        let passphrase = generate();
        let mut recipient = age::scrypt::Recipient::new(passphrase.clone());
        recipient.set_work_factor(WORK_FACTOR);
        let file = age::encrypt_and_armor(&recipient, &plain).map_err(|_| InviteError::NotMade)?;
        // What can't be opened again is no invite.
        if file.len() > LARGEST { Err(InviteError::NotMade) } else { Ok((file, passphrase)) }
    }
}

/// The invite in this file. The file may come from anybody. Blocks, for a second at the most.
pub fn open_invite(file: &[u8], passphrase: &SecretString) -> Result<Invite, InviteError> {
    if file.len() > LARGEST {
        return Err(InviteError::TooLarge);
    }
    let passphrase = normal(passphrase).ok_or(InviteError::Passphrase)?;
    let plain = age_file::open(file, passphrase, MOST_WORK).map_err(|error| match error {
        NotOpened::Passphrase => InviteError::Passphrase,
        NotOpened::Work(_) => InviteError::Work,
        NotOpened::Other(_) => InviteError::NoInvite,
    })?;
    let InviteVersion { version } = serde_json::from_slice(&plain).map_err(|_| InviteError::NoInvite)?;
    if version != VERSION {
        return Err(if version > VERSION { InviteError::Newer } else { InviteError::NoInvite });
    }
    let text: InviteText<'_> = serde_json::from_slice(&plain).map_err(|_| InviteError::NoInvite)?;
    let (url, key) = (Zeroizing::new(text.url.into_owned()), Zeroizing::new(text.fleet_key.into_owned()));
    let key = FleetKey::from_text(&key.as_str().into()).map_err(|_| InviteError::NoInvite)?;
    Ok(Invite { url: url.as_str().into(), key, profile: text.profile, made_at: UnixMs(text.made_at) })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    const URL: &str = "postgres://atthene:planted-password@db.example/atthene";

    fn invite() -> Invite {
        Invite {
            url: URL.into(),
            key: FleetKey::generate(),
            profile: "profile of the tests".to_owned(),
            made_at: UnixMs(1_800_000_000_000),
        }
    }

    fn sealed_text(text: &str) -> (Vec<u8>, SecretString) {
        let passphrase = generate();
        let mut recipient = age::scrypt::Recipient::new(passphrase.clone());
        recipient.set_work_factor(2);
        (age::encrypt(&recipient, text.as_bytes()).expect("seals"), passphrase)
    }

    #[test]
    fn an_invite_opens_with_its_passphrase_and_no_other() {
        let made = invite();
        let (file, passphrase) = made.seal().expect("made");
        assert!(file.starts_with("-----BEGIN AGE ENCRYPTED FILE-----") && file.is_ascii());
        let typed = passphrase.expose_secret().to_uppercase().replace('-', " ");
        let opened = open_invite(file.as_bytes(), &typed.into()).expect("opens");
        assert_eq!(opened.url.expose_secret(), URL);
        assert!(opened.key == made.key);
        assert_eq!((opened.profile, opened.made_at), (made.profile.clone(), made.made_at));
        // As a mail program sends it.
        let sent = file.replace('\n', "\r\n");
        assert!(open_invite(sent.as_bytes(), &passphrase).is_ok());

        assert_eq!(open_invite(file.as_bytes(), &generate()).expect_err("wrong"), InviteError::Passphrase);
        assert_eq!(open_invite(file.as_bytes(), &"".into()).expect_err("none"), InviteError::Passphrase);
        let (again, other) = made.seal().expect("made");
        assert!(again != file && other.expose_secret() != passphrase.expose_secret());
    }

    #[test]
    fn nothing_of_it_is_shown() {
        let made = invite();
        let (file, passphrase) = made.seal().expect("made");
        let wrong = open_invite(file.as_bytes(), &generate()).expect_err("wrong");
        let shown = format!("{made:?} {passphrase:?} {wrong:?} {wrong} {file}");
        let key = made.key.text();
        for secret in ["planted-password", key.expose_secret(), passphrase.expose_secret()] {
            assert!(!shown.contains(secret));
        }
    }

    #[test]
    fn a_file_that_was_cut_or_changed_is_refused() {
        let (file, passphrase) = invite().seal().expect("made");
        for length in [0, 1, 30, file.len() / 2, file.len() - 40, file.len() - 3] {
            assert!(open_invite(&file.as_bytes()[..length], &passphrase).is_err(), "{length} bytes");
        }
        // In steps: each look at a file that has its header costs a run of scrypt.
        for at in (0..file.len()).step_by(41) {
            let mut flipped = file.clone().into_bytes();
            flipped[at] ^= 1;
            if let Ok(opened) = open_invite(&flipped, &passphrase) {
                panic!("opened with byte {at} flipped: {opened:?}");
            }
        }
        let large = [file.as_bytes(), &vec![b'\n'; LARGEST]].concat();
        assert_eq!(open_invite(&large, &passphrase).expect_err("too large"), InviteError::TooLarge);
    }

    #[test]
    fn a_file_that_would_cost_hours_costs_none() {
        let (file, passphrase) = sealed_text("{}");
        let at = file.windows(3).position(|part| part == b" 2\n").expect("the work factor");
        for (work, why) in [
            ("18", InviteError::Work),
            ("22", InviteError::Work),
            ("30", InviteError::Work),
            ("63", InviteError::Work),
            ("64", InviteError::Work),
            ("255", InviteError::Work),
            ("999", InviteError::NoInvite),
        ] {
            let bomb = [&file[..=at], work.as_bytes(), &file[at + 2..]].concat();
            let begun = Instant::now();
            assert_eq!(open_invite(&bomb, &passphrase).expect_err("refused"), why, "{work}");
            assert!(begun.elapsed() < Duration::from_secs(5), "{work}: {:?}", begun.elapsed());
        }
    }

    #[test]
    fn what_is_inside_is_an_invite_of_this_version_to_the_letter() {
        let key = FleetKey::generate().text();
        let with = |version: u32, key: &str, more: &str| {
            format!(r#"{{"version":{version},"url":"u","fleet_key":"{key}","profile":"p","made_at":1{more}}}"#)
        };
        let key = key.expose_secret();
        let refused = |text: &str| {
            let (file, passphrase) = sealed_text(text);
            open_invite(&file, &passphrase).err()
        };
        assert_eq!(refused(&with(1, key, "")), None);
        assert_eq!(refused(&with(1, key, r#","more":1"#)), Some(InviteError::NoInvite));
        assert_eq!(refused(&with(1, &key[..75], "")), Some(InviteError::NoInvite));
        assert_eq!(refused(&with(0, key, "")), Some(InviteError::NoInvite));
        assert_eq!(refused(&with(2, "of another form", r#","more":1"#)), Some(InviteError::Newer));
        assert_eq!(refused("not JSON"), Some(InviteError::NoInvite));
        assert_eq!(refused(""), Some(InviteError::NoInvite));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]
        #[test]
        fn no_file_breaks_it(bytes in prop::collection::vec(any::<u8>(), 0..400), armored in any::<bool>()) {
            let head = if armored { "-----BEGIN AGE ENCRYPTED FILE-----\n" } else { "age-encryption.org/v1\n-> scrypt " };
            let passphrase = generate();
            prop_assert!(open_invite(&bytes, &passphrase).is_err());
            prop_assert!(open_invite(&[head.as_bytes(), &bytes].concat(), &passphrase).is_err());
        }
    }
}
