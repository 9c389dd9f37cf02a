//! What becomes of a shared profile whose beginning, or whose change of key, broke off.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use atthene_e2e::Machine;
use atthene_test_support::databases;

const CREDENTIAL: &str = "planted-runtime-credential";

/// A server with a key, a runtime's credential in its encrypted file, and some record.
async fn lived() -> Result<Machine> {
    let machine = Machine::server()?;
    machine.done(&["config", "set", "vault", "file"]).await?;
    machine.done(&["config", "set", "runtime_url", "http://127.0.0.1:9"]).await?;
    let set = machine.run_with(&["config", "set", "runtime_credential"], CREDENTIAL).await?;
    ensure!(set.code == 0, "{set:?}");
    machine.done(&["key", "create", "--name", "All", "--expires", "30d"]).await?;
    Ok(machine)
}

async fn has_all(machine: &Machine, keys: &serde_json::Value) -> Result<()> {
    ensure!(machine.done(&["--json", "key", "list"]).await?.json()? == *keys);
    machine.done(&["activity", "--verify"]).await.map(drop)
}

/// What the host keeps for itself, as it was at another time.
fn vault(machine: &Machine) -> std::path::PathBuf {
    machine.data_dir().join("vault.age")
}

#[tokio::test]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
async fn a_beginning_that_is_killed_at_any_moment_is_begun_again() -> Result<()> {
    let (database, machine) = (databases::empty(), lived().await?);
    let keys = machine.done(&["--json", "key", "list"]).await?.json()?;
    let init = ["--json", "fleet", "init", &database];
    let mut killed = 0;
    // Until one comes to its end before it is killed.
    for step in 1.. {
        let beginning = machine.atthene(&init)?.kill_on_drop(true).spawn()?;
        let ended = tokio::time::timeout(Duration::from_millis(step * 40), beginning.wait_with_output()).await;
        if let Ok(ended) = ended {
            let ended = ended?;
            let said = String::from_utf8_lossy(&ended.stderr);
            // Killed after it had switched and before it said so: it is done.
            ensure!(ended.status.success() || said.contains("takes part"), "after {killed}: {said}");
            break;
        }
        killed += 1;
        // With the rows of before, or those of the database: never with less.
        has_all(&machine, &keys).await.with_context(|| format!("killed after {} ms", step * 40))?;
    }
    ensure!(killed > 3, "{killed}");
    machine.done(&["--profile", &database, "key", "list"]).await?;
    has_all(&machine, &keys).await?;
    ensure!(machine.done(&["--json", "fleet", "hosts"]).await?.json()?.as_array().is_some_and(|all| all.len() == 1));
    Ok(())
}

#[tokio::test]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
async fn a_beginning_that_the_database_refuses_at_any_secret_is_begun_again() -> Result<()> {
    let (database, machine) = (databases::empty(), lived().await?);
    let keys = machine.done(&["--json", "key", "list"]).await?.json()?;
    // Of a first try that came as far as the tables.
    let unreachable = machine.run(&["fleet", "init", "postgres://127.0.0.1:1/nowhere"]).await?;
    ensure!(unreachable.code == 1, "{unreachable:?}");
    databases::run(
        &database,
        "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$
         BEGIN
           IF to_regclass('secrets') IS NOT NULL AND to_regclass('refusals') IS NULL THEN
             CREATE TABLE refusals (what text);
             INSERT INTO refusals VALUES ('key'), ('secret');
             CREATE FUNCTION refuse_it() RETURNS trigger LANGUAGE plpgsql AS $f$
             BEGIN
               IF EXISTS (SELECT 1 FROM refusals WHERE what = CASE NEW.entry WHEN 'Fleet key in force' THEN 'key' ELSE 'secret' END) THEN
                 RAISE EXCEPTION 'planted refusal';
               END IF;
               RETURN NEW;
             END $f$;
             CREATE TRIGGER refuses BEFORE INSERT OR UPDATE ON secrets FOR EACH ROW EXECUTE FUNCTION refuse_it();
           END IF;
         END $$;
         CREATE EVENT TRIGGER refuses_later ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION refuse();",
    );
    for what in ["key", "secret"] {
        let refused = machine.run(&["fleet", "init", &database]).await?;
        ensure!(refused.code == 1 && refused.err.contains("planted refusal"), "{what}: {refused:?}");
        has_all(&machine, &keys).await?;
        machine.done(&["--profile", "local", "key", "list"]).await?;
        databases::run(&database, &format!("DELETE FROM refusals WHERE what = '{what}'"));
    }
    machine.done(&["fleet", "init", &database]).await?;
    has_all(&machine, &keys).await?;
    // Whoever takes part deletes nothing any more.
    machine.done(&["fleet", "leave"]).await?;
    let refused = machine.run(&["fleet", "init", &database]).await?;
    ensure!(refused.code == 1 && refused.err.contains("empty"), "{refused:?}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
async fn while_a_change_of_the_key_is_broken_off_an_invite_brings_the_one_in_force_or_none() -> Result<()> {
    let (database, machine) = (databases::empty(), lived().await?);
    machine.done(&["fleet", "init", &database]).await?;
    let before = std::fs::read(vault(&machine))?;
    let mut number = 0;
    let mut invite = async || {
        number += 1;
        let file = machine.home().join(format!("{number}.age"));
        let file = file.to_str().context("a path")?.to_owned();
        let invited = machine.run(&["--json", "fleet", "invite", &file]).await?;
        if invited.code != 0 {
            return Ok::<_, anyhow::Error>(Err(invited));
        }
        Ok(Ok((file, invited.json()?["passphrase"].as_str().context("a passphrase")?.to_owned())))
    };
    let joins = async |(file, passphrase): (String, String)| {
        let other = Machine::server()?;
        let joined = other.run_with(&["fleet", "join", &file, "--vault-file"], &passphrase).await?;
        ensure!(joined.code == 0, "{joined:?}");
        other.done(&["fleet", "hosts"]).await?;
        Ok(other)
    };

    // The next key is written down, and did not come into force.
    databases::run(
        &database,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'planted refusal'; END $$;
         CREATE TRIGGER refuses BEFORE UPDATE ON secrets FOR EACH ROW EXECUTE FUNCTION refuse()",
    );
    let refused = machine.run(&["fleet", "rotate-key"]).await?;
    ensure!(refused.code == 1, "{refused:?}");
    let broken_off = std::fs::read(vault(&machine))?;
    ensure!(before != broken_off, "the next key is written down");
    let invited = invite().await?.map_err(|printed| anyhow::anyhow!("{printed:?}"))?;
    joins(invited).await?;

    // It came into force, and this host's vault was not told.
    databases::run(&database, "DROP TRIGGER refuses ON secrets");
    machine.done(&["fleet", "rotate-key"]).await?;
    let after = std::fs::read(vault(&machine))?;
    std::fs::write(vault(&machine), &broken_off)?;
    let invited = invite().await?.map_err(|printed| anyhow::anyhow!("{printed:?}"))?;
    let other = joins(invited).await?;

    // Neither is in force: an invite would open nothing, and is none.
    std::fs::write(vault(&machine), &before)?;
    let refused = invite().await?.expect_err("the key of before is over");
    ensure!(refused.code == 4 && refused.err.contains("other_fleet_key"), "{refused:?}");
    ensure!(!machine.home().join("3.age").exists());

    // An invite of a host that has the key brings it here.
    let file = other.home().join("back.age");
    let file = file.to_str().context("a path")?;
    let invited = other.done(&["--json", "fleet", "invite", file]).await?.json()?;
    let passphrase = invited["passphrase"].as_str().context("a passphrase")?;
    let joined = machine.run_with(&["--json", "fleet", "join", file], passphrase).await?;
    ensure!(joined.code == 0 && joined.json()?["renewed"] == true, "{joined:?}");
    invite().await?.map_err(|printed| anyhow::anyhow!("{printed:?}"))?;
    ensure!(std::fs::read(vault(&machine))? != after, "sealed anew");
    Ok(())
}
