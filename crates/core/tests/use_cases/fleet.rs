//! Secrets that lie sealed beside the rows of a fleet: what comes of a value that somebody moved, put back or damaged.

use std::sync::Arc;

use atthene_core::connections::ConnectionState;
use atthene_core::identity::Profile;
use atthene_core::port::{SealedRows, Vault};
use atthene_core::{Code, Core, Environment, Error, SecretChange, Settings, UnixMs};
use atthene_test_support::environment;
use atthene_test_support::vaults::SharedVault;
use atthene_test_support::world::{PLANTED, World, rotates};
use atthene_vault::{FleetKey, MemoryRows, Sealed, put_in_force};

const PROFILE: &str = "profile of the tests";
const SECRET: &str = "planted~client.secret";

/// A world whose secrets lie in a fleet's rows.
async fn world() -> (World, Arc<MemoryRows>, Sealed) {
    let mut world = World::new(SecretChange::Keep).await;
    let (rows, key) = (Arc::new(MemoryRows::default()), FleetKey::generate());
    put_in_force(&*rows, &key, PROFILE).expect("begins");
    let sealed = Sealed::new(rows.clone(), key, PROFILE);
    world.core = open(&world, &sealed);
    (world, rows, sealed)
}

/// One more process on these rows.
fn open(world: &World, sealed: &Sealed) -> Arc<Core> {
    let folder = world.machine.dir.path();
    let environment = environment(folder, world.machine.clock(), SharedVault::default()).expect("opens");
    let vault: Arc<dyn Vault> = Arc::new(sealed.clone());
    Core::open(&Profile::at(folder), Environment { vault, ..environment }).expect("opens")
}

fn entry(rows: &MemoryRows, part: &str) -> String {
    let all = rows.all().expect("reads");
    all.into_iter().map(|(entry, _)| entry).find(|entry| entry.contains(part)).expect("there")
}

async fn enters_a_secret(world: &World) -> Result<(), Error> {
    let draft = world.core.integrations.draft(&world.integration).expect("a form");
    world.core.save_integration(draft, SecretChange::Replace(SECRET.into())).await.map(drop)
}

#[tokio::test]
async fn the_rows_show_no_secret_and_every_process_works_with_them() {
    let (world, rows, sealed) = world().await;
    enters_a_secret(&world).await.expect("saves");
    let id = world.connect("ada").await;
    rotates(&world.authority);
    world.machine.step(2 * UnixMs::HOUR);
    let other = open(&world, &sealed);
    other.connections.fresh(&id).await.expect("refreshes");
    world.machine.step(2 * UnixMs::HOUR);
    world.core.connections.fresh(&id).await.expect("with the token that the other one was given");
    for (entry, bytes) in rows.all().expect("reads") {
        for planted in [PLANTED, SECRET, "rotated-", "contoso.com"] {
            assert!(!bytes.windows(planted.len()).any(|part| part == planted.as_bytes()), "{planted} in {entry}");
        }
    }
}

#[tokio::test]
async fn an_older_refresh_token_that_is_put_back_leads_to_a_new_sign_in_of_the_same_account() {
    let (world, rows, _) = world().await;
    let id = world.connect("ada").await;
    rotates(&world.authority);
    let entry = entry(&rows, id.as_str());
    let old = rows.get(&entry).expect("reads").expect("there");
    world.machine.step(2 * UnixMs::HOUR);
    world.core.connections.fresh(&id).await.expect("refreshes");

    rows.plant(&entry, &old);
    world.machine.step(2 * UnixMs::HOUR);
    let ended = world.core.connections.fresh(&id).await.map(drop).expect_err("it was spent");
    assert_eq!(ended.code(), Code::NeedsSignIn);
    let only = world.only();
    assert_eq!((only.state, only.account.as_str()), (ConnectionState::NeedsSignIn, "ada@contoso.com"));
}

#[tokio::test]
async fn a_value_in_the_row_of_another_account_is_nobodys_and_a_new_sign_in_helps() {
    let (world, rows, _) = world().await;
    let (ada, bob) = (world.connect("ada").await, world.connect("bob").await);
    let of_ada = rows.get(&entry(&rows, ada.as_str())).expect("reads").expect("there");
    rows.plant(&entry(&rows, bob.as_str()), &of_ada);
    let calls = world.authority.calls().len();
    world.machine.step(2 * UnixMs::HOUR);
    let refused = world.core.connections.fresh(&bob).await.map(drop).expect_err("moved");
    assert_eq!(refused.code(), Code::NeedsSignIn);
    assert_eq!(world.authority.calls().len(), calls, "nothing was sent");
    assert_eq!(world.connect("bob").await, bob, "signs in over it");
    rotates(&world.authority);
    world.machine.step(2 * UnixMs::HOUR);
    world.core.connections.fresh(&bob).await.expect("works again");
    rotates(&world.authority);
    world.core.connections.fresh(&ada).await.expect("was never touched");
}

#[tokio::test]
async fn a_damaged_client_secret_or_credential_is_asked_for_again() {
    let (world, rows, _) = world().await;
    enters_a_secret(&world).await.expect("saves");
    let id = world.connect("ada").await;
    let at = Settings { runtime_url: Some("https://one.example".into()), ..Settings::default() };
    let credential = || SecretChange::Replace("not-a-real-credential".into());
    world.core.save_settings(at.clone(), credential()).await.expect("saves");
    for (entry, mut bytes) in rows.all().expect("reads") {
        if !entry.contains(id.as_str()) && !entry.contains("in force") {
            bytes.reverse();
            bytes[0] = 1;
            rows.plant(&entry, &[&rows.get(&entry).expect("reads").expect("there")[..9], &bytes[9..]].concat());
        }
    }
    let gone = world.core.runtime_credential().await.map(drop).expect_err("damaged");
    assert_eq!(gone.code(), Code::CredentialGone);
    world.core.reconcile_secrets().await.expect("what is damaged stands in nobody's way");
    world.machine.step(2 * UnixMs::HOUR);
    let gone = world.core.connections.fresh(&id).await.map(drop).expect_err("damaged");
    assert_eq!(gone.code(), Code::SecretMissing);
    enters_a_secret(&world).await.expect("saves over it");
    world.core.save_settings(at, credential()).await.expect("saves over it");
    rotates(&world.authority);
    world.core.connections.fresh(&id).await.expect("works again");
    assert!(world.core.runtime_credential().await.expect("reads").is_some());
}

#[tokio::test]
async fn a_host_that_has_another_key_ends_nothing() {
    let (world, rows, sealed) = world().await;
    let id = world.connect("ada").await;
    let before = rows.all().expect("reads");
    let stranger = Sealed::new(rows.clone(), FleetKey::generate(), PROFILE);
    let host = open(&world, &stranger);
    let refused = host.connections.fresh(&id).await.map(drop).expect_err("another key");
    assert_eq!(refused.code(), Code::OtherFleetKey);
    assert!(refused.remedy().contains("atthene fleet join"));
    assert!(host.reconcile_secrets().await.is_err());
    assert_eq!(host.connections.list().expect("lists")[0].state, ConnectionState::Connected);
    assert_eq!(rows.all().expect("reads"), before);
    rotates(&world.authority);
    open(&world, &sealed).connections.fresh(&id).await.expect("the others go on");
}
