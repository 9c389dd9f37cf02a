//! A new key for a fleet: every secret is sealed anew, all of them in one step.

use std::cell::RefCell;

use secrecy::ExposeSecret;

use atthene_core::port::{KEY_IN_FORCE, SealedEntry, SealedRows};
use atthene_core::vault::VaultError;

use crate::fleet_key::FleetKey;
use crate::in_force::{away, check_proof, sealed_proof};
use crate::seal::{open_sealed, seal, sealed_under};

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// How many secrets lie under the new key now.
    pub resealed: usize,
    /// What the old key did not open, as it was found: somebody else wrote it, or it was damaged. It opens nowhere, and
    /// must not keep a stolen key in force.
    pub left: Vec<String>,
}

/// Seals every secret of the fleet under a new key and puts that in force, in one step during which nobody writes a
/// secret: what was written before is sealed anew, and what comes after finds another key in force. Until then every
/// host works with the old key; from then on those with the old one are told that there is another, and can
/// neither read nor write. Blocks.
///
/// The new key must lie in this host's vault before this is called: nothing opens without it afterwards. Called again
/// after it broke off, it ends what is left to do. It takes back nothing that a thief has read before: sign-ins and
/// client secrets that may have been read have to be made anew, too.
///
/// # Errors
/// [`VaultError::OtherFleetKey`]: neither key is in force. [`VaultError::Newer`]: this secret has to be sealed anew by a
/// newer version, or its row deleted. [`VaultError::Rows`]: it is not known whether it was done; another call ends it.
pub fn rotate(rows: &dyn SealedRows, old: &FleetKey, new: &FleetKey, profile: &str) -> Result<Rotation, VaultError> {
    let outcome = RefCell::new(Err(VaultError::Rows("They were not shown.".to_owned())));
    let replaced = rows.replace_all(&|all| {
        let (steps, done) = match resealed(all, old, new, profile) {
            Ok((steps, rotation)) => (Some(steps), Ok(rotation)),
            Err(error) => (None, Err(error)),
        };
        *outcome.borrow_mut() = done;
        steps
    });
    replaced.map_err(away)?;
    outcome.into_inner()
}

/// All that has to lie there instead under the new key, and what that comes to.
fn resealed(
    all: Vec<SealedEntry>,
    old: &FleetKey,
    new: &FleetKey,
    profile: &str,
) -> Result<(Vec<SealedEntry>, Rotation), VaultError> {
    let (proofs, secrets): (Vec<_>, Vec<_>) = all.into_iter().partition(|(entry, _)| entry == KEY_IN_FORCE);
    let (_, proof) = proofs.first().ok_or_else(|| VaultError::Damaged(KEY_IN_FORCE.to_owned()))?;
    let mut steps = Vec::new();
    match check_proof(new, profile, proof) {
        Ok(()) => {}
        Err(VaultError::OtherFleetKey { .. }) => {
            check_proof(old, profile, proof)?;
            steps.push((KEY_IN_FORCE.to_owned(), sealed_proof(new, profile)?));
        }
        Err(error) => return Err(error),
    }
    let mut rotation = Rotation { resealed: 0, left: Vec::new() };
    for (entry, sealed) in secrets {
        if sealed_under(&sealed) == Some(new.id()) {
            continue;
        }
        match open_sealed(old, profile, &entry, &sealed) {
            Ok(secret) => {
                let anew = seal(new, profile, &entry, secret.expose_secret())?;
                steps.push((entry, anew));
                rotation.resealed += 1;
            }
            // Of a newer version, whose secrets nobody here may lose.
            Err(error @ VaultError::Newer(_)) => return Err(error),
            Err(_) => rotation.left.push(entry),
        }
    }
    Ok((steps, rotation))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use atthene_core::port::Vault;

    use super::*;
    use crate::hooked_rows::HookedRows;
    use crate::in_force::put_in_force;
    use crate::sealed::Sealed;

    const PROFILE: &str = "profile of the tests";

    /// A fleet with these secrets, and two keys.
    fn fleet(secrets: &[(&str, &str)]) -> (Arc<HookedRows>, FleetKey, FleetKey) {
        let (rows, old) = (Arc::new(HookedRows::default()), FleetKey::generate());
        put_in_force(&*rows, &old, PROFILE).expect("begins");
        for (entry, secret) in secrets {
            rows.rows.plant(entry, &sealed(&old, entry, secret));
        }
        (rows, old, FleetKey::generate())
    }

    fn sealed(key: &FleetKey, entry: &str, secret: &str) -> Vec<u8> {
        seal(key, PROFILE, entry, secret).expect("seals")
    }

    fn same_key(key: &FleetKey) -> FleetKey {
        FleetKey::from_text(&key.text()).expect("its own text")
    }

    fn read(rows: &dyn SealedRows, key: &FleetKey, entry: &str) -> Result<String, VaultError> {
        let sealed = rows.get(entry).expect("reads").expect("there");
        open_sealed(key, PROFILE, entry, &sealed).map(|secret| secret.expose_secret().to_owned())
    }

    #[test]
    fn everything_opens_with_the_new_key_and_nothing_with_the_old_one() {
        let (rows, old, new) = fleet(&[("a", "of-a"), ("b", ""), ("c", &"s".repeat(3000))]);
        let done = rotate(&*rows, &old, &new, PROFILE).expect("rotates");
        assert_eq!(done, Rotation { resealed: 3, left: Vec::new() });
        assert_eq!(read(&*rows, &new, "a").expect("opens"), "of-a");
        assert_eq!(read(&*rows, &new, "c").expect("opens").len(), 3000);
        for (entry, _) in rows.all().expect("reads") {
            assert!(matches!(read(&*rows, &old, &entry), Err(VaultError::OtherFleetKey { .. })), "{entry}");
        }
        // Done already; and by somebody whose key is none of the two.
        assert_eq!(rotate(&*rows, &old, &new, PROFILE).expect("ends").resealed, 0);
        let refused = rotate(&*rows, &old, &FleetKey::generate(), PROFILE).expect_err("the old one is over");
        assert!(matches!(refused, VaultError::OtherFleetKey { .. }), "{refused:?}");
    }

    #[test]
    fn a_rotation_that_breaks_off_leaves_the_old_key_in_force_and_can_be_ended() {
        let (rows, old, new) = fleet(&[("a", "of-a"), ("b", "of-b")]);
        let before = rows.all().expect("reads");
        rows.is_away.store(true, Ordering::Release);
        assert!(matches!(rotate(&*rows, &old, &new, PROFILE), Err(VaultError::Rows(_))));
        rows.is_away.store(false, Ordering::Release);
        assert_eq!(rows.all().expect("reads"), before);
        assert_eq!(rotate(&*rows, &old, &new, PROFILE).expect("rotates").resealed, 2);
    }

    #[test]
    fn what_opens_for_nobody_keeps_no_key_in_force() {
        let (rows, old, new) = fleet(&[("a", "of-a"), ("moved", "of-moved")]);
        rows.rows.plant("moved", &rows.get("a").expect("reads").expect("there"));
        rows.rows.plant("strange", b"\0not sealed at all");
        let done = rotate(&*rows, &old, &new, PROFILE).expect("rotates");
        assert_eq!(done, Rotation { resealed: 1, left: vec!["moved".to_owned(), "strange".to_owned()] });
        // Of a version that this one can't seal again: it would be lost.
        rows.rows.plant("newer", &[2; 400]);
        assert!(matches!(rotate(&*rows, &new, &old, PROFILE), Err(VaultError::Newer(entry)) if entry == "newer"));
        assert_eq!(read(&*rows, &new, "a").expect("opens"), "of-a");
    }

    /// Hosts write all the while, each until it is told that there is another key.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn no_acknowledged_secret_is_lost_and_none_stays_under_the_old_key() {
        for _ in 0..5 {
            let (rows, old, new) = fleet(&[]);
            let has_begun = Arc::new(AtomicBool::new(false));
            let hosts: Vec<_> = (0..4)
                .map(|at| {
                    let host = Sealed::new(rows.clone(), same_key(&old), PROFILE);
                    let has_begun = has_begun.clone();
                    tokio::spawn(async move {
                        let mut kept = BTreeMap::new();
                        for n in 0_u32.. {
                            // Known ones and new ones in turn.
                            let entry = if n % 2 == 0 { format!("{at}") } else { format!("{at} {n}") };
                            match host.set(&entry, n.to_string().into()).await {
                                Ok(()) => kept.insert(entry, n.to_string()),
                                Err(VaultError::OtherFleetKey { .. }) => return kept,
                                Err(error) => panic!("{error}"),
                            };
                            has_begun.fetch_or(n > 5, Ordering::AcqRel);
                            tokio::time::sleep(Duration::from_millis(2)).await;
                        }
                        unreachable!("every host is told in the end")
                    })
                })
                .collect();
            while !has_begun.load(Ordering::Acquire) {
                tokio::task::yield_now().await;
            }
            let (of_rotation, from, to) = (rows.clone(), same_key(&old), same_key(&new));
            let done = tokio::task::spawn_blocking(move || rotate(&*of_rotation, &from, &to, PROFILE));
            let done = done.await.expect("ends").expect("rotates");
            assert_eq!(done.left, Vec::<String>::new());
            let host = Sealed::new(rows.clone(), same_key(&new), PROFILE);
            for other in hosts {
                let kept = other.await.expect("ends");
                for (entry, secret) in kept {
                    let read = host.get(&entry).await.expect("reads").expect("there");
                    assert!(read.expose_secret() == secret, "{entry}");
                }
            }
            for (entry, sealed) in rows.all().expect("reads") {
                assert_eq!(sealed_under(&sealed), Some(new.id()), "{entry}");
            }
        }
    }
}
