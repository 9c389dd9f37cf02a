//! A fleet key that is changed while hosts write secrets.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atthene_core::integrations::IntegrationId;
use atthene_core::port::{KEY_IN_FORCE, SealedRows, Vault};
use atthene_core::{Code, Core, SecretChange};
use atthene_store::Postgres;
use atthene_test_support::hosts::Place;
use atthene_test_support::machine::Machine;
use atthene_test_support::vaults::SharedVault;
use atthene_test_support::world::World;
use atthene_test_support::{databases, needs_server};
use atthene_vault::{FleetKey, Sealed, open_sealed, put_in_force, rotate};
use secrecy::ExposeSecret;

const PROFILE: &str = "profile of the tests";
/// How many secrets are kept before the key is changed, and after it was.
const SOME: usize = 15;

fn same_key(key: &FleetKey) -> FleetKey {
    FleetKey::from_text(&key.text()).expect("its own text")
}

/// One host that keeps secrets all the while: with a row each time, and of their own.
struct Writer {
    core: Arc<Core>,
    sealed: Sealed,
    integration: IntegrationId,
    name: &'static str,
}

impl Writer {
    /// Until it is told that its key is over, or there are enough. What was kept last under each entry.
    async fn write(self, kept: Arc<AtomicUsize>, enough: usize) -> (BTreeMap<String, String>, Option<Code>) {
        let mut last = BTreeMap::new();
        for n in 0..enough {
            let secret = format!("{}~secret~{n}", self.name);
            let draft = self.core.integrations.draft(&self.integration).expect("a form");
            let saved = self.core.save_integration(draft, SecretChange::Replace(secret.as_str().into())).await;
            if let Err(error) = saved {
                return (last, Some(error.code()));
            }
            last.insert("of the integration".to_owned(), secret.clone());
            let entry = format!("{} {}", self.name, n % 4);
            if let Err(error) = self.sealed.set(&entry, secret.as_str().into()).await {
                return (last, Some(atthene_core::Error::from(error).code()));
            }
            last.insert(entry, secret);
            kept.fetch_add(1, Ordering::AcqRel);
        }
        (last, None)
    }
}

/// What the new key opens, by entry. Everything has to open.
fn opened(rows: &Postgres, key: &FleetKey) -> BTreeMap<String, String> {
    let all = rows.all().expect("reads");
    let open = |(entry, bytes): (String, Vec<u8>)| {
        let secret = open_sealed(key, PROFILE, &entry, &bytes).unwrap_or_else(|error| panic!("{entry}: {error}"));
        (entry, secret.expose_secret().to_owned())
    };
    all.into_iter().map(open).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_hosts_write_the_key_is_changed_and_nothing_is_lost_or_left_under_the_old_one() {
    needs_server!();
    let (folders, url) = (tempfile::tempdir().expect("a folder"), databases::empty());
    let machine = Machine::new();
    let clock = machine.clock();
    let place = |number: &str| Place::at(&url, &folders.path().join(number), clock.clone());
    let (old, new) = (FleetKey::generate(), FleetKey::generate());
    let rows = place("rotates").store;
    put_in_force(&*rows, &old, PROFILE).expect("begins");
    // The second one is handed the new key, as by a new invite; the first one is not.
    let handed: Arc<Mutex<Option<FleetKey>>> = Arc::default();
    let open = |number: &str, is_handed: bool| {
        let (place, handed) = (place(number), handed.clone());
        let sealed = Sealed::new(place.store.clone(), same_key(&old), PROFILE).among_rows();
        let sealed = if is_handed {
            sealed.asking(move || {
                let found = handed.lock().expect("not poisoned").as_ref().map(same_key);
                Box::pin(std::future::ready(found))
            })
        } else {
            sealed
        };
        (place.open_with(Arc::new(sealed.clone())), sealed)
    };
    let ((first, of_first), (second, of_second)) = (open("first", false), open("second", true));
    let world = World::of(machine, SharedVault::default(), first, SecretChange::Keep, "http://127.0.0.1:1").await;
    let mut draft = world.core.integrations.draft(&world.integration).expect("a form");
    draft.id = world.core.integrations.fresh_draft().id;
    draft.name = "Another".into();
    let another = second.save_integration(draft, SecretChange::Keep).await.expect("saves").id;

    *handed.lock().expect("not poisoned") = Some(same_key(&new));
    let kept = Arc::new(AtomicUsize::new(0));
    let writers = [
        (
            Writer {
                core: world.core.clone(),
                sealed: of_first,
                integration: world.integration.clone(),
                name: "first",
            },
            10_000,
        ),
        (Writer { core: second.clone(), sealed: of_second, integration: another, name: "second" }, 4 * SOME),
    ];
    let writing = writers.map(|(writer, enough)| tokio::spawn(writer.write(kept.clone(), enough)));
    while kept.load(Ordering::Acquire) < SOME {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (of_rotation, from, to) = (rows.clone(), same_key(&old), same_key(&new));
    let rotated = tokio::task::spawn_blocking(move || rotate(&*of_rotation, &from, &to, PROFILE));
    let rotated = rotated.await.expect("ends").expect("rotates");
    assert_eq!(rotated.left, Vec::<String>::new());

    let mut told = Vec::new();
    let mut secrets = Vec::new();
    for one in writing {
        let (last, ended) = one.await.expect("no panic");
        told.push(ended);
        secrets.push(last);
    }
    assert_eq!(told, [Some(Code::OtherFleetKey), None], "one is refused with the reason, the other goes on");
    let opened = opened(&rows, &new);
    assert!(opened.contains_key(KEY_IN_FORCE));
    for mut last in secrets {
        let of_integration = last.remove("of the integration").expect("kept");
        assert!(opened.values().any(|text| text.contains(&of_integration)), "{of_integration}");
        for (entry, secret) in last {
            assert_eq!(opened.get(&entry), Some(&secret), "{entry}");
        }
    }
    drop((world, second, rows));
    let name = url.rsplit('/').next().expect("a name");
    databases::run(&databases::url_of("postgres"), &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
}
