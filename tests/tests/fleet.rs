//! One profile for two hosts, by the command alone: begun, joined, served, ended on both, left.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use atthene_e2e::{Answer, Emulate, Machine, call_at, execute_with, until};
use atthene_test_support::databases;
use serde_json::Value;

const DATABASE_PASSWORD: &str = "planted-database-password";
const CLIENT_SECRET: &str = "planted-client-secret";

/// A folder of its own, and the port that its gateway listens on.
struct Host {
    machine: Machine,
    port: &'static str,
    serving: Option<tokio::process::Child>,
}

impl Host {
    fn new(port: &'static str) -> Result<Self> {
        Ok(Self { machine: Machine::server()?, port, serving: None })
    }

    async fn serve(&mut self) -> Result<()> {
        let (serving, _) = self.machine.serve(&["--port", self.port]).await?;
        self.serving = Some(serving);
        Ok(())
    }

    async fn end(&mut self) -> Result<()> {
        let mut serving = self.serving.take().context("it serves")?;
        let process = serving.id().context("it serves")?.to_string();
        tokio::process::Command::new("kill").args(["-TERM", &process]).status().await?;
        serving.wait().await?;
        Ok(())
    }

    fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// An access token of this connection: the gateway opens what the sign-in left.
    async fn token(&self, connection: &str, key: &str) -> Result<Answer> {
        call_at(&self.base(), "POST", &format!("/api/amas/connections/{connection}/token"), key).await
    }

    async fn is_answered(&self, key: &str, status: u16) -> Result<()> {
        let base = self.base();
        let answered = || async { Ok((execute_with(&base, key).await?.status == status).then_some(())) };
        until("the key to be known on this host", answered).await
    }
}

/// Who serves can't leave, and who is there can't be forgotten.
async fn who_is_there_stays(first: &Host, second: &Host) -> Result<()> {
    let refused = second.machine.run(&["fleet", "leave"]).await?;
    ensure!(refused.code == 1 && refused.err.contains("gateway of this data folder runs"), "{refused:?}");
    let all = first.machine.done(&["--json", "fleet", "hosts"]).await?.json()?;
    let there = all.as_array().into_iter().flatten().find(|host| host["is_here"] == false).context("the second one")?;
    ensure!(there["address"] == second.base(), "{there}");
    let refused = first.machine.run(&["fleet", "forget", there["id"].as_str().context("an id")?]).await?;
    ensure!(refused.code == 1 && refused.err.contains("is there"), "{refused:?}");
    ensure!(first.machine.run(&["fleet", "forget", "nobody"]).await?.code == 3);
    Ok(())
}

/// What was done about the profile: shared, an invite for another host, its key changed, an invite with that, left.
async fn all_is_on_record(machine: &Machine) -> Result<()> {
    let record = machine.done(&["--json", "activity"]).await?;
    let rows = record.out.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    let fleet = ["profile_shared", "host_invited", "host_joined", "fleet_key_changed", "host_left"];
    let told: Vec<_> =
        rows.iter().rev().filter_map(|row| row["kind"].as_str()).filter(|kind| fleet.contains(kind)).collect();
    let done = [fleet[0], fleet[1], fleet[2], fleet[3], fleet[1], fleet[2], fleet[4]];
    ensure!(told == done, "{told:?}");
    let by = |kind| rows.iter().find(|row| row["kind"] == kind).map(|row| &row["actor"]);
    ensure!(by("host_left").is_some_and(|actor| actor == "command_line"), "{rows:?}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
async fn one_profile_is_shared_by_hosts_that_each_end_its_key() -> Result<()> {
    let database = databases::empty();
    let (mut first, mut second) = (Host::new("8801")?, Host::new("8802")?);
    first.machine.done(&["config", "set", "vault", "file"]).await?;
    let emulate = Emulate::for_anybody(&first.machine).await?;
    let integration =
        first.machine.add_integration(Emulate::ISSUER, "https://graph.example", Some(CLIENT_SECRET)).await?;
    first.machine.connect(&integration, "ada@contoso.example").await?;
    let key = first.machine.done(&["key", "create", "--name", "All", "--expires", "30d"]).await?.out.trim().to_owned();

    // Begun: refused where the password would stand in the arguments, and once only.
    let shown = database.replace("://postgres@", &format!("://postgres:{DATABASE_PASSWORD}@"));
    let refused = first.machine.run(&["fleet", "init", &shown]).await?;
    ensure!(refused.code == 2 && !refused.err.contains(DATABASE_PASSWORD), "{refused:?}");
    let begun =
        first.machine.run_with(&["--json", "fleet", "init", &database, "--password-stdin"], DATABASE_PASSWORD).await?;
    ensure!(begun.code == 0, "{begun:?}");
    ensure!(begun.json()?["secrets"].as_u64() >= Some(2), "{begun:?}");
    ensure!(first.machine.run(&["fleet", "init", &database]).await?.code == 1);
    let elsewhere = first.machine.run(&["--profile", "local", "key", "list"]).await?;
    ensure!(elsewhere.code == 2, "{elsewhere:?}");
    first.machine.done(&["--profile", &database, "key", "list"]).await?;

    // Joined.
    let invite = first.machine.home().join("invite.age");
    let file = invite.to_str().context("a path")?;
    let invited = first.machine.done(&["--json", "fleet", "invite", file]).await?.json()?;
    let passphrase = invited["passphrase"].as_str().context("a passphrase")?;
    let wrong = second.machine.run_with(&["fleet", "join", file, "--vault-file"], "not the passphrase").await?;
    ensure!(wrong.code == 1 && wrong.err.contains("passphrase"), "{wrong:?}");
    let joined = second.machine.run_with(&["fleet", "join", file, "--vault-file"], passphrase).await?;
    ensure!(joined.code == 0, "{joined:?}");

    // One key on both, counted together; ended on one, refused on both.
    first.serve().await?;
    second.serve().await?;
    for host in [&first, &second] {
        host.is_answered(&key, 200).await?;
    }
    let hosts = second.machine.done(&["--json", "fleet", "hosts"]).await?.json()?;
    let there = |hosts: &Value| {
        hosts.as_array().is_some_and(|all| all.iter().filter(|one| one["is_there"] == true).count() == 2)
    };
    until("both hosts to be seen", || async {
        Ok(there(&second.machine.done(&["--json", "fleet", "hosts"]).await?.json()?).then_some(()))
    })
    .await
    .with_context(|| format!("{hosts}"))?;
    second.machine.done(&["key", "revoke", "--yes"]).await?;
    for host in [&first, &second] {
        host.is_answered(&key, 401).await?;
    }
    let next =
        second.machine.done(&["key", "create", "--name", "Next", "--expires", "30d"]).await?.out.trim().to_owned();
    for host in [&first, &second] {
        host.is_answered(&next, 200).await?;
    }
    // A sign-in of the one is the other's.
    let connections = second.machine.done(&["--json", "connection", "list"]).await?.json()?;
    ensure!(connections[0]["account"] == "ada@contoso.example", "{connections}");
    let sound = first.machine.done(&["activity", "--verify"]).await?;
    ensure!(sound.code == 0, "{sound:?}");

    // A new fleet key while both serve: the host that made it goes on; the other one is told so and goes on with an invite,
    // its gateway, too.
    first.machine.done(&["fleet", "rotate-key"]).await?;
    let ada = connections[0]["id"].as_str().context("an id")?;
    first.machine.permit_everything(ada).await?;
    until("the first gateway to open what is sealed under the new key", || async {
        Ok((first.token(ada, &next).await?.status == 200).then_some(()))
    })
    .await?;
    until("the second gateway to say that it can't", || async {
        Ok((second.token(ada, &next).await?.status >= 500).then_some(()))
    })
    .await?;
    let again = first.machine.home().join("again.age");
    let file = again.to_str().context("a path")?;
    let invited = first.machine.done(&["--json", "fleet", "invite", file]).await?.json()?;
    let passphrase = invited["passphrase"].as_str().context("a passphrase")?;
    let joined = second.machine.run_with(&["--json", "fleet", "join", file], passphrase).await?;
    ensure!(joined.code == 0 && joined.json()?["renewed"] == true, "{joined:?}");
    until("the second gateway to open it, too", || async {
        Ok((second.token(ada, &next).await?.status == 200).then_some(()))
    })
    .await?;
    for host in [&first, &second] {
        host.is_answered(&next, 200).await?;
    }
    who_is_there_stays(&first, &second).await?;
    first.end().await?;
    second.end().await?;

    // Nothing opens by the database alone, nor by what lies on a disk.
    let dump = tokio::process::Command::new("pg_dump").arg(&database).stdout(Stdio::piped()).output().await?;
    let dump = String::from_utf8_lossy(&dump.stdout).into_owned();
    ensure!(dump.contains("ada@contoso.example"), "a dump");
    for secret in [DATABASE_PASSWORD, CLIENT_SECRET, &key, &next, "atf_"] {
        ensure!(!dump.contains(secret), "the dump holds a secret");
        for machine in [&first.machine, &second.machine] {
            ensure!(machine.any_file_holds(secret)?.is_none(), "{:?}", machine.any_file_holds(secret)?);
        }
    }

    // Left: the rows of before are there again, and the others know.
    let left = second.machine.done(&["--json", "fleet", "leave"]).await?.json()?;
    ensure!(left["told"] == true, "{left}");
    let all = first.machine.done(&["--json", "fleet", "hosts"]).await?.json()?;
    ensure!(all.as_array().is_some_and(|all| all.len() == 1 && all[0]["is_here"] == true), "{all}");
    all_is_on_record(&first.machine).await?;
    ensure!(
        second.machine.done(&["--profile", "local", "--json", "key", "list"]).await?.json()? == serde_json::json!([])
    );
    emulate.stop().await
}
