//! `/mcp` before MCP's own judges: the inspector in both eras, and the scenarios of the conformance suite.

use anyhow::{Context, Result, ensure};
use atthene_e2e::{Machine, add_key, conformance, inspect};
use serde_json::{Value, json};
use tokio::process::Child;

/// Scenarios that any server can be held against.
const HELD: [&str; 3] = ["server-initialize", "ping", "tools-list"];
/// The one that we hold in part.
const REBINDING: &str = "dns-rebinding-protection";
/// The others, by how their names begin.
const LEFT_OUT: [(&str, &str); 9] = [
    ("tools-call-", "wants tools of its own on the server"),
    ("json-schema-2020-12", "wants a tool of its own on the server"),
    ("elicitation-", "wants tools of its own on the server"),
    ("logging-", "logs are not sent to clients: the gateway keeps no session"),
    ("completion-", "there are no prompts and no resources to complete"),
    ("resources-", "there are no resources"),
    ("prompts-", "there are no prompts"),
    ("server-sse-polling", "wants a tool of its own, and streams that are resumed: answers are JSON"),
    ("server-sse-multiple-streams", "looks at streams only: answers are JSON"),
];

async fn serving() -> Result<(Machine, Child, String, String)> {
    let machine = Machine::new()?;
    let key = machine.done(&["key", "create", "--name", "Judge", "--expires", "1d"]).await?.out.trim().to_owned();
    let (serving, address) = machine.serve(&[]).await?;
    Ok((machine, serving, address, key))
}

#[tokio::test]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
async fn the_inspector_lists_and_calls_in_both_eras() -> Result<()> {
    let (machine, _serving, address, key) = serving().await?;
    for era in ["legacy", "modern"] {
        let look = async |arguments: &[&str]| {
            inspect(&machine, &address, &key, &[&["--protocol-era", era], arguments].concat()).await
        };
        // Strict: it ends with 6 where a schema is not understood everywhere.
        let listed = look(&["--method", "tools/list", "--strict"]).await?;
        ensure!(listed.code == 0, "{era}: {listed:?}");
        let tools = listed.json()?["result"]["tools"].as_array().map_or(0, Vec::len);
        ensure!(tools >= 19, "{era}: {listed:?}");
        let call = ["--method", "tools/call", "--tool-name"];
        let found = look(&[&call[..], &["connections_list"]].concat()).await?;
        ensure!(found.code == 0 && found.out.contains(r#""connections":[]"#), "{era}: {found:?}");
        let asked = r#"{"agent_id": "atthene-status", "message": "Hello"}"#;
        let found = look(&[&call[..], &["agent_execute", "--tool-args-json", asked]].concat()).await?;
        ensure!(found.code == 0 && found.out.contains("The gateway works."), "{era}: {found:?}");
        let told = look(&[&call[..], &["mail_search"]].concat()).await?;
        ensure!(told.code == 5 && told.out.contains("Nobody is connected for Outlook."), "{era}: {told:?}");
        let unknown = look(&[&call[..], &["mail_burn"]].concat()).await?;
        ensure!(unknown.code == 5 && unknown.err.contains("tool_not_found"), "{era}: {unknown:?}");
        let stranger = inspect(&machine, &address, "unknown", &["--method", "tools/list"]).await?;
        ensure!(stranger.code == 3, "{era}: {stranger:?}");
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
async fn the_conformance_suite_finds_nothing_that_is_not_meant() -> Result<()> {
    let (machine, _serving, address, key) = serving().await?;
    every_scenario_is_known(&machine).await?;
    let (_proxy, front) = add_key(&machine, &address, &key).await?;
    for scenario in HELD {
        let checks = checks(&machine, &front, scenario).await?;
        ensure!(!checks.is_empty() && checks.iter().all(|check| check["status"] == "SUCCESS"), "{checks:?}");
    }
    let checks = checks(&machine, &front, REBINDING).await?;
    let found: Vec<_> = checks.iter().map(|check| (&check["id"], &check["status"])).collect();
    let rejected = (&json!("localhost-host-rebinding-rejected"), &json!("SUCCESS"));
    // It also wants pages at localhost let in. No page is: whoever serves one there could use the key.
    let accepted = (&json!("localhost-host-valid-accepted"), &json!("FAILURE"));
    ensure!(found == [rejected, accepted], "{checks:?}");
    ensure!(checks[1]["details"]["body"]["code"] == "forbidden_origin", "{checks:?}");
    Ok(())
}

/// What a scenario found.
async fn checks(machine: &Machine, front: &str, scenario: &str) -> Result<Vec<Value>> {
    let (url, folder) = (format!("{front}/mcp"), machine.home().join(scenario));
    let output = folder.display().to_string();
    let run = conformance(machine, &["server", "--url", &url, "--scenario", scenario, "--output-dir", &output]).await?;
    let found = std::fs::read_dir(&folder).with_context(|| format!("{run:?}"))?.next().context("no result")??;
    Ok(serde_json::from_slice(&std::fs::read(found.path().join("checks.json"))?)?)
}

/// A scenario that is neither held nor left out for a reason would never be looked at.
async fn every_scenario_is_known(machine: &Machine) -> Result<()> {
    let listed = conformance(machine, &["list", "--server"]).await?;
    let all: Vec<&str> =
        listed.out.lines().filter_map(|line| line.trim().strip_prefix("- ")?.split(' ').next()).collect();
    ensure!(HELD.iter().all(|held| all.contains(held)), "{listed:?}");
    let is_known = |name: &&str| {
        HELD.contains(name) || *name == REBINDING || LEFT_OUT.iter().any(|(begin, _)| name.starts_with(begin))
    };
    let unknown: Vec<_> = all.iter().filter(|name| !is_known(name)).collect();
    ensure!(unknown.is_empty(), "{unknown:?}");
    Ok(())
}
