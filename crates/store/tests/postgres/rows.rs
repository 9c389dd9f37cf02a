//! Units of work of several hosts at once.

use std::time::Duration;

use atthene_core::activity::Chain;
use atthene_core::port::{
    KEY_IN_FORCE, LeaseRows, SealedEntry, SealedRows, SealedValue, SecretRows, SecretStep, ServiceRows,
};
use atthene_core::{Error, StoreError};
use atthene_test_support::machine::{live, new_key};
use atthene_test_support::{databases, postgres_only};

use crate::fleet::Fleet;

#[test]
fn hosts_that_create_keys_at_once_never_leave_two_live_ones() {
    postgres_only!();
    let fleet = Fleet::new(2);
    let cores = [fleet.core(0), fleet.core(1)];
    let created: usize = std::thread::scope(|scope| {
        let create = |core: &std::sync::Arc<atthene_core::Core>| {
            (0..20).filter(|_| core.keys.create(new_key("k", 7, live(core))).is_ok()).count()
        };
        let all: Vec<_> = cores.iter().chain(&cores).map(|core| scope.spawn(move || create(core))).collect();
        all.into_iter().map(|one| one.join().expect("ends")).sum()
    });
    assert!(created >= 20, "{created}");
    let keys = fleet.number("SELECT count(*) FROM api_keys");
    assert_eq!(keys, i64::try_from(created).expect("few"), "what was told is there, and nothing else");
    assert_eq!(fleet.number("SELECT count(*) FROM api_keys WHERE ended_at IS NULL"), 1);
    // Nor does anybody who writes into the rows.
    let ends = "DO $$ BEGIN
                  UPDATE api_keys SET ended_at = NULL, ended_as = NULL WHERE ended_at IS NOT NULL;
                  RAISE EXCEPTION 'revived';
                EXCEPTION WHEN raise_exception THEN
                  IF SQLERRM = 'revived' THEN RAISE; END IF;
                END $$";
    fleet.run(ends);
    assert!(matches!(cores[0].activity.verify().expect("walks"), Chain::Sound { .. }));
}

#[test]
fn hosts_that_open_a_new_database_at_once_make_one_profile() {
    postgres_only!();
    let url = databases::empty();
    let secrets: Vec<_> = std::thread::scope(|scope| {
        let open = || {
            let folder = tempfile::tempdir().expect("a folder");
            let host = atthene_core::Host::of(folder.path(), "host").expect("a host");
            let store = databases::open_as(&url, folder.path(), &host).expect("opens");
            *atthene_core::port::Store::profile_secret(&store).bytes()
        };
        let all: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        all.into_iter().map(|one| one.join().expect("ends")).collect()
    });
    assert!(secrets.iter().all(|secret| *secret == secrets[0] && *secret != [0; 32]));

    databases::run(&url, "UPDATE format SET n = 99");
    let folder = tempfile::tempdir().expect("a folder");
    let host = atthene_core::Host::of(folder.path(), "host").expect("a host");
    let newer = databases::open_as(&url, folder.path(), &host).map(drop).expect_err("is newer");
    assert!(matches!(newer, Error::Store(StoreError::Newer { found: 99, .. })), "{newer}");
}

#[test]
fn units_of_work_that_met_are_begun_again() {
    postgres_only!();
    let fleet = Fleet::new(1);
    let core = fleet.core(0);
    // As the database says it of transactions that met, the first three times.
    for (state, name) in [("40001", "a"), ("40P01", "b")] {
        fleet.run(&format!(
            "CREATE SEQUENCE tries_{name};
             CREATE FUNCTION meet_{name}() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
               IF nextval('tries_{name}') <= 3 THEN RAISE EXCEPTION 'met' USING ERRCODE = '{state}'; END IF;
               RETURN NEW;
             END $$;
             CREATE TRIGGER meet_{name} BEFORE INSERT ON api_keys FOR EACH ROW EXECUTE FUNCTION meet_{name}()"
        ));
        core.keys.create(new_key("k", 7, live(&core))).expect("creates");
        assert_eq!(fleet.number(&format!("SELECT last_value FROM tries_{name}")), 4);
    }
    assert_eq!(fleet.number("SELECT count(*) FROM activity WHERE kind = 'key_created'"), 2);
}

#[test]
fn what_one_host_has_not_settled_is_not_swept_by_another() {
    postgres_only!();
    let fleet = Fleet::new(2);
    let (here, there) = (fleet.open(0), fleet.open(1));
    here.mark_unsettled("of here").expect("marks");
    there.mark_unsettled("of there").expect("marks");
    assert_eq!(here.claim_unsettled().expect("claims"), ["of here"]);
    there.mark_settled("of there").expect("settles");
    assert!(there.claim_unsettled().expect("claims").is_empty());
}

#[test]
fn each_host_has_a_service() {
    postgres_only!();
    let fleet = Fleet::new(2);
    let (here, there) = (fleet.open(0), fleet.open(1));
    here.save_service_status("{}").expect("saves");
    there.ask_service_to_end().expect("asks");
    assert_eq!(
        (here.service_status().expect("reads").as_deref(), there.service_status().expect("reads")),
        (Some("{}"), None)
    );
    assert_eq!((here.is_service_to_end().expect("reads"), there.is_service_to_end().expect("reads")), (false, true));
    there.begin_service().expect("begins");
    assert!(!there.is_service_to_end().expect("reads"));
}

fn under(proof: &[u8], bytes: &[u8]) -> SealedValue {
    SealedValue { bytes: bytes.to_vec(), proof: proof.to_vec() }
}

#[test]
fn sealed_rows_are_kept_while_their_key_is_in_force_and_forgotten() {
    postgres_only!();
    let fleet = Fleet::new(2);
    let (here, there) = (fleet.open(0), fleet.open(1));
    assert!(!here.put("a", &under(b"old", b"one")).expect("asks"), "no key is in force yet");
    here.put_first(b"old").expect("begins");
    there.put_first(b"another").expect("there is one");
    assert!(
        here.put("a", &under(b"old", b"one")).expect("keeps") && here.put("b", &under(b"old", b"two")).expect("keeps")
    );
    assert_eq!(there.get("a").expect("reads").as_deref(), Some(b"one".as_slice()));
    assert!(there.put("a", &under(b"old", b"three")).expect("keeps"));
    here.delete("b").expect("forgets");
    here.delete("b").expect("is not there");
    let lie = |pairs: &[(&str, &[u8])]| -> Vec<_> {
        pairs.iter().map(|(entry, sealed)| ((*entry).to_owned(), sealed.to_vec())).collect()
    };
    assert_eq!(here.all().expect("lists"), lie(&[(KEY_IN_FORCE, b"old"), ("a", b"three")]));
    // Nothing; or all of it, and no entry that was not there.
    there.replace_all(&|_| None).expect("looks");
    assert!(there.would_put(b"old").expect("asks") && !there.would_put(b"new").expect("asks"));
    let anew = |all: Vec<_>| {
        assert_eq!(all.len(), 2);
        Some(lie(&[(KEY_IN_FORCE, b"new"), ("a", b"four"), ("b", b"five")]))
    };
    there.replace_all(&anew).expect("replaces");
    assert_eq!(here.all().expect("lists"), lie(&[(KEY_IN_FORCE, b"new"), ("a", b"four")]));
    // With a row, too.
    let stale = under(b"old", b"six");
    for entry in ["a", "b"] {
        assert!(!here.put(entry, &stale).expect("asks"));
        here.mark_unsettled(entry).expect("marks");
        here.advance(SecretStep::Sealed(entry, &stale)).expect("writes nothing");
    }
    assert!(!here.would_put(b"old").expect("asks") && here.would_put(b"new").expect("asks"));
    assert_eq!(here.all().expect("lists"), lie(&[(KEY_IN_FORCE, b"new"), ("a", b"four")]));
}

#[test]
fn who_changes_the_key_waits_for_who_writes_under_it_and_keeps_out_who_comes_later() {
    postgres_only!();
    let fleet = Fleet::new(2);
    let (here, there) = (fleet.open(0), fleet.open(1));
    here.put_first(b"old").expect("begins");
    // Between the look at the key and the end of the transaction.
    let between = format!(
        "BEGIN; SELECT 1 FROM secrets WHERE entry = '{KEY_IN_FORCE}' FOR SHARE; SELECT pg_sleep(1);
         INSERT INTO secrets VALUES ('a', 'one'); COMMIT"
    );
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| fleet.run(&between));
        std::thread::sleep(Duration::from_millis(300));
        let changing = scope.spawn(|| {
            let anew = |all: Vec<SealedEntry>| {
                assert_eq!(all.len(), 2, "what was being written is there");
                Some(vec![(KEY_IN_FORCE.to_owned(), b"new".to_vec()), ("a".to_owned(), b"anew".to_vec())])
            };
            there.replace_all(&anew).expect("replaces");
        });
        std::thread::sleep(Duration::from_millis(300));
        assert!(!here.put("b", &under(b"old", b"later")).expect("asks"), "it queued behind");
        writing.join().expect("ends");
        changing.join().expect("ends");
        let lie = [(KEY_IN_FORCE.to_owned(), b"new".to_vec()), ("a".to_owned(), b"anew".to_vec())];
        assert_eq!(here.all().expect("lists"), lie);
    });
}

#[test]
fn a_lease_is_held_by_one_until_it_runs_out_or_is_given_back() {
    postgres_only!();
    let fleet = Fleet::new(2);
    let (here, there) = (fleet.open(0), fleet.open(1));
    let long = Duration::from_mins(10);
    let first = here.take("refresh of x", "here", long).expect("asks").expect("nobody holds it").fence;
    assert_eq!(there.take("refresh of x", "there", long).expect("asks"), None);
    assert!(here.renew("refresh of x", "here", first, long).expect("asks"));
    // Run out by the database's clock, whatever a host's says.
    fleet.run("UPDATE leases SET until = clock_timestamp() - interval '1 second'");
    assert!(here.renew("refresh of x", "here", first, Duration::ZERO).expect("asks"), "nobody took it");
    let second = there.take("refresh of x", "there", long).expect("asks").expect("it has run out").fence;
    assert!(second > first);
    assert!(!here.renew("refresh of x", "here", first, long).expect("asks"), "it is another's");
    here.give_back("refresh of x", "here", first, true).expect("is not held");
    assert_eq!(here.take("refresh of x", "here", long).expect("asks"), None);
    there.give_back("refresh of x", "there", second, true).expect("gives back");
    assert!(here.take("refresh of x", "here", long).expect("asks").expect("is free").fence > second);
    // The third of the three: it can't be asked.
    fleet.run("ALTER TABLE leases RENAME TO away");
    here.take("refresh of x", "here", long).expect_err("can't be asked");
}
