//! Beginning, joining, changing and leaving a shared profile.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use atthene_core::identity::Profile;
use atthene_core::oversight::{FleetAct, Forgotten};
use atthene_core::port::{SealedRows, Store as _, Vault};
use atthene_core::vault::VaultKind;
use atthene_core::{Actor, Clock, Core, Error, blocking};
use atthene_store::{Imported, Sqlite};
use atthene_vault::{FleetKey, Invite, Rotation, Sealed, open_invite, put_in_force, rotate};
use secrecy::{ExposeSecret, SecretString};

use super::error::FleetError;
use super::host_secrets::HostSecrets;
use super::membership::Membership;
use super::place::{DatabasePlace, encoded};
use super::take_part::{HostParts, checked, host_parts, is_in_force, key_in_force, open_rows, own_vault};
use crate::vault::local_vault;

/// The largest file that is looked at as an invite, in bytes.
const LARGEST_INVITE: u64 = 64 * 1024;

/// How long a host that leaves waits for the database.
const TELLS_WITHIN: Duration = Duration::from_secs(10);

/// What became of a local profile that is shared from now on.
pub struct Moved {
    pub membership: Membership,
    /// What was copied.
    pub imported: Imported,
    /// How many secrets were sealed into the database.
    pub secrets: usize,
}

/// Copies this folder's profile into an empty database, and takes part in it from then on. The local rows and secrets
/// stay where they are, unused.
///
/// # Errors
/// Nothing was switched: the folder's own rows are in use as before. What lies in the database is unfinished, and the
/// next time it is deleted first.
pub async fn init(
    profile: &Profile,
    actor: Actor,
    url: &str,
    password: Option<SecretString>,
) -> Result<Moved, FleetError> {
    refuse_members(profile)?;
    let (place, password) = address(url, password)?;
    let core = crate::open(profile, actor).await?;
    // Held until the switch: what is counted or changed meanwhile would be left behind.
    let lease = {
        let core = core.clone();
        blocking(move || core.become_service()).await?.ok_or(FleetError::Serves)?
    };
    let kind = core.settings.current().vault;
    let from = local_vault(profile)?;
    from.choose(kind);
    let rows = open_rows(profile, &place, password.as_ref()).await?;
    let imported = {
        let (rows, folder) = (rows.clone(), profile.data_dir().to_owned());
        blocking(move || Ok(rows.import(&Sqlite::open(&folder)?)?)).await?
    };
    let membership = Membership::new(place.as_str(), core.profile_secret().public_id(), kind);
    let key = FleetKey::generate();
    let text = key.text();
    {
        let (rows, name, key) = (rows.clone(), membership.profile.clone(), again(&text)?);
        blocking(move || Ok(put_in_force(rows.as_ref() as &dyn SealedRows, &key, &name)?)).await?;
    }
    HostSecrets { password, key, next: None }.write(&from).await?;
    let begun = rows.clone();
    let sealed = Sealed::new(rows, again(&text)?, &membership.profile);
    let secrets = copy_secrets(&core, &from, &sealed).await?;
    // It had one until now, which programs on this machine know.
    let membership = membership.with_gateway_beside_window(true);
    begin(profile, &membership)?;
    if let Err(error) = blocking(move || Ok(begun.finish_import()?)).await {
        tracing::warn!(%error, "the next start says that this host takes part");
    }
    drop(lease);
    record(profile, actor, FleetAct::Shared).await;
    Ok(Moved { membership, imported, secrets })
}

/// What came of an invite.
pub struct Joined {
    pub membership: Membership,
    /// Whether this host took part before, and has the key that is in force by now.
    pub is_renewed: bool,
}

/// Takes part in the profile that an invite is for. The folder's own rows stay where they are, unused. A host that takes
/// part in this very profile gets the key that is in force and the database's password, and changes nothing else.
pub async fn join(
    profile: &Profile,
    actor: Actor,
    invite: Vec<u8>,
    passphrase: SecretString,
    vault: VaultKind,
) -> Result<Joined, FleetError> {
    let before = Membership::of(profile.data_dir())?;
    let opened = tokio::task::spawn_blocking(move || open_invite(&invite, &passphrase));
    let invite = opened.await.map_err(|error| Error::Internal(error.to_string()))??;
    let (place, password) = DatabasePlace::of(invite.url.expose_secret()).ok_or(FleetError::Address)?;
    let membership = match before.clone() {
        Some(before) if before.profile == invite.profile && before.url == place.as_str() => before,
        Some(other) => return Err(FleetError::TakesPart(other.url)),
        None => Membership::new(place.as_str(), invite.profile, vault),
    };
    let rows = open_rows(profile, &place, password.as_ref()).await?;
    if rows.profile_secret().public_id() != membership.profile {
        return Err(FleetError::OtherProfile(membership.url));
    }
    let key = is_in_force(&rows, invite.key, &membership.profile).await?;
    let key = key.ok_or_else(|| FleetError::OtherProfile(membership.url.clone()))?;
    let own = own_vault(profile, &membership)?;
    HostSecrets { password, key, next: None }.write(own.as_ref()).await?;
    let is_renewed = before.is_some();
    if !is_renewed {
        begin(profile, &membership)?;
    }
    record(profile, actor, FleetAct::Joined { is_renewed }).await;
    Ok(Joined { membership, is_renewed })
}

/// The content of an invite's file. Of one that is none, no more than an invite can be long.
pub fn read_invite(file: &Path) -> Result<Vec<u8>, FleetError> {
    let mut invite = Vec::new();
    let read = std::fs::File::open(file).and_then(|from| from.take(LARGEST_INVITE + 1).read_to_end(&mut invite));
    read.map(|_| invite).map_err(|error| FleetError::File(file.to_owned(), error))
}

/// An invite for another host: the file, and its passphrase, which is nowhere else. None is made that is not on record.
pub async fn invite(profile: &Profile, actor: Actor) -> Result<(String, SecretString), FleetError> {
    let membership = membership(profile)?;
    let HostParts { secrets, place, rows, .. } = host_parts(profile, &membership).await?;
    let url = place.with(secrets.password.as_ref());
    let key = key_in_force(&rows, secrets, &membership.profile).await?;
    // An invite that opens nothing any more would be found out on the other host.
    let key = checked(&rows, key, &membership.profile).await.map_err(Error::from)?;
    let invite = Invite { url, key, profile: membership.profile, made_at: Clock::system().now() };
    let sealed = tokio::task::spawn_blocking(move || invite.seal());
    let sealed = sealed.await.map_err(|error| Error::Internal(error.to_string()))??;
    put_on_record(profile, actor, FleetAct::Invited).await?;
    Ok(sealed)
}

/// Puts a new fleet key in force and seals every secret anew. A gateway of this host goes on with it; every other host is
/// refused until it is given a new invite ([`join`]).
pub async fn rotate_key(profile: &Profile, actor: Actor) -> Result<Rotation, FleetError> {
    let membership = membership(profile)?;
    let HostParts { own, mut secrets, rows, .. } = host_parts(profile, &membership).await?;
    // One that was broken off is ended first.
    let next = secrets.next.take().unwrap_or_else(FleetKey::generate);
    let text = next.text();
    secrets.next = Some(next);
    secrets.write(own.as_ref()).await?;
    let HostSecrets { password, key, .. } = secrets;
    let (new, name) = (again(&text)?, membership.profile);
    let rotated = blocking(move || Ok(rotate(rows.as_ref() as &dyn SealedRows, &key, &new, &name)?)).await?;
    HostSecrets { password, key: again(&text)?, next: None }.write(own.as_ref()).await?;
    record(profile, actor, FleetAct::KeyChanged { resealed: rotated.resealed }).await;
    Ok(rotated)
}

/// From now on the window runs a gateway on this host, or none. One that runs is not ended.
pub fn run_gateway_beside_window(profile: &Profile, runs: bool) -> Result<(), FleetError> {
    begin(profile, &membership(profile)?.with_gateway_beside_window(runs))
}

/// What a host has left.
pub struct Left {
    pub membership: Membership,
    /// Whether the others know: not where the database could not be told.
    pub is_told: bool,
}

/// Takes no part any more: the folder's own rows are in use again. What is shared goes on without this host. Its gateway
/// must have ended, which would go on with what is shared and be seen as a host. Where the database is away, the host
/// leaves all the same.
pub async fn leave(profile: &Profile, actor: Actor) -> Result<Left, FleetError> {
    let membership = membership(profile)?;
    // Opened while this host still can.
    let shared = tokio::time::timeout(TELLS_WITHIN, crate::open(profile, actor)).await.ok().and_then(Result::ok);
    if shared.as_ref().is_some_and(|core| core.has_service()) {
        return Err(FleetError::Serves);
    }
    let folder = profile.data_dir();
    Membership::end(folder).map_err(|error| FleetError::File(folder.to_owned(), error))?;
    HostSecrets::forget(own_vault(profile, &membership)?.as_ref()).await?;
    let is_told = match shared {
        Some(core) => blocking(move || core.record_fleet_act(FleetAct::Left)).await.is_ok(),
        None => false,
    };
    Ok(Left { membership, is_told })
}

/// Takes a host that is gone off the list; its name. Blocks.
pub fn forget_host(core: &Core, id: &str) -> Result<String, FleetError> {
    if !core.is_shared() {
        return Err(FleetError::TakesNoPart);
    }
    match core.forget_host(id)? {
        Forgotten::Done(name) => Ok(name),
        Forgotten::StillThere(name) => Err(FleetError::StillThere(name)),
        Forgotten::Unknown => Err(FleetError::NoSuchHost(id.to_owned())),
    }
}

/// Puts on record what is done by now, and is told as done whatever becomes of that.
async fn record(profile: &Profile, actor: Actor, act: FleetAct) {
    if let Err(error) = put_on_record(profile, actor, act).await {
        tracing::error!(%error, ?act, "what was done about the shared profile is not on record");
    }
}

async fn put_on_record(profile: &Profile, actor: Actor, act: FleetAct) -> Result<(), Error> {
    let core = crate::open(profile, actor).await?;
    blocking(move || core.record_fleet_act(act)).await
}

fn membership(profile: &Profile) -> Result<Membership, FleetError> {
    Membership::of(profile.data_dir())?.ok_or(FleetError::TakesNoPart)
}

fn refuse_members(profile: &Profile) -> Result<(), FleetError> {
    match Membership::of(profile.data_dir())? {
        Some(membership) => Err(FleetError::TakesPart(membership.url)),
        None => Ok(()),
    }
}

fn address(url: &str, password: Option<SecretString>) -> Result<(DatabasePlace, Option<SecretString>), FleetError> {
    match DatabasePlace::of(url) {
        // Every program on the machine can read the arguments of another one.
        Some((_, Some(_))) | None => Err(FleetError::Address),
        Some((place, None)) => Ok((place, password.as_ref().map(encoded))),
    }
}

fn begin(profile: &Profile, membership: &Membership) -> Result<(), FleetError> {
    let folder = profile.data_dir();
    membership.begin(folder).map_err(|error| FleetError::File(folder.to_owned(), error))
}

fn again(key: &SecretString) -> Result<FleetKey, Error> {
    FleetKey::from_text(key).map_err(|_| Error::FleetSecretsGone)
}

/// Seals what lies in this host's vault into the database, and reads it back.
async fn copy_secrets(core: &Arc<Core>, from: &dyn Vault, to: &Sealed) -> Result<usize, FleetError> {
    let mut copied = 0;
    for entry in core.secret_entries()? {
        // One that is missing is missing there as well, and said so.
        let Some(secret) = from.get(&entry).await.map_err(Error::from)? else { continue };
        to.set(&entry, secret.clone()).await.map_err(Error::from)?;
        let kept = to.get(&entry).await.map_err(Error::from)?;
        if kept.is_none_or(|kept| kept.expose_secret() != secret.expose_secret()) {
            return Err(FleetError::NotCopied(entry));
        }
        copied += 1;
    }
    Ok(copied)
}
