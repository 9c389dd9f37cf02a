//! Opens a profile: the rules of the core, with what they need of the outside.

use std::sync::Arc;

use atthene_core::identity::Profile;
use atthene_core::port::{Store, Vault};
use atthene_core::{Actor, Clock, Core, Environment, Error, Leases, Policy, blocking};
use atthene_identity::{Network, Platforms};
use atthene_store::Sqlite;

use crate::fleet::{self, Membership};
use crate::vault::local_vault;

/// Opens the profile with the system's clock and keychain: the folder's own, which waits for no keychain, or the one
/// that it shares with others, which waits for this host's.
pub async fn open(profile: &Profile, actor: Actor) -> Result<Arc<Core>, Error> {
    type Parts = (Arc<dyn Store>, Arc<dyn Vault>, Option<Leases>);
    let (store, vault, leases): Parts = if let Some(membership) = Membership::of(profile.data_dir())? {
        let fleet::SharedParts { store, vault } = fleet::take_part(profile, &membership).await?;
        let leases = Leases::new(store.clone(), store.host());
        (store, vault, Some(leases))
    } else {
        let folder = profile.data_dir().to_owned();
        let store = blocking(move || Sqlite::open(&folder)).await?;
        (Arc::new(store), Arc::new(local_vault(profile)?), None)
    };
    let http = Arc::new(Network::default());
    let environment = Environment {
        store,
        vault,
        identity: Arc::new(Platforms::new(http.clone())),
        http,
        clock: Clock::system(),
        policy: Policy::read(),
        actor,
        // A hint in the record: whoever may write the profile may write any name.
        os_user: whoami::username().ok(),
        leases,
    };
    let profile = profile.clone();
    blocking(move || Core::open(&profile, environment)).await
}
