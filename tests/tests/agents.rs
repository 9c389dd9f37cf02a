//! Agents at `/mcp`: the clients that others use, in both eras, over HTTP and through `atthene mcp`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use atthene_e2e::{Agent, Client, Emulate, Graph, Machine, inspect, until};
use serde_json::{Value, json};
use tokio::process::Child;

const STATELESS: &str = "2026-07-28";
/// The newest revision that begins with `initialize`.
const LEGACY: &str = "2025-11-25";

/// Each client in each era that it can be told to speak, and what is agreed on, where it tells.
const CLIENTS: [(&str, &str, &str); 6] = [
    ("python_sdk", STATELESS, STATELESS),
    ("python_sdk", "auto", STATELESS),
    ("python_sdk", "legacy", LEGACY),
    ("fastmcp_client", "auto", STATELESS),
    ("fastmcp_client", "legacy", LEGACY),
    ("langchain_client", "legacy", ""),
];

/// A gateway that serves, with one connection to a mailbox.
struct Desk {
    machine: Machine,
    graph: Graph,
    address: String,
    key: String,
    emulate: Emulate,
    _serving: Child,
}

impl Desk {
    async fn new() -> Result<Self> {
        let machine = Machine::server()?;
        machine.done(&["config", "set", "vault", "file"]).await?;
        let (graph, emulate) = (Graph::start().await?, Emulate::for_anybody(&machine).await?);
        let integration = machine.add_integration(Emulate::ISSUER, &graph.base, None).await?;
        machine.connect(&integration, "ada@contoso.example").await?;
        let key = machine.done(&["key", "create", "--name", "Agents", "--expires", "1d"]).await?.out.trim().to_owned();
        let (serving, address) = machine.serve(&[]).await?;
        Ok(Self { machine, graph, address, key, emulate, _serving: serving })
    }

    async fn agent(&self, script: &'static str, era: &'static str, through_the_command: bool) -> Result<Agent> {
        Agent::start(&self.machine, Client { script, era, through_the_command }, &self.address, &self.key).await
    }

    /// The questions about a mail with this subject.
    async fn questions(&self, subject: &str) -> Result<Vec<Value>> {
        let all = self.machine.done(&["--json", "approval", "list"]).await?.json()?;
        let about = |one: &&Value| one["shown"]["subject"] == subject;
        Ok(all.as_array().context("a list")?.iter().filter(about).cloned().collect())
    }

    /// The question about this mail, once it is asked.
    async fn question(&self, subject: &str) -> Result<String> {
        let asked = until("the question", || async { Ok(self.questions(subject).await?.pop()) }).await?;
        Ok(asked["id"].as_str().context("an id")?.to_owned())
    }
}

fn mail(subject: &str) -> Value {
    json!({ "to": ["grace@contoso.example"], "subject": subject, "body": "Words" })
}

/// What a client was told, whether as a result that is an error or by an exception.
fn told(answer: &Value) -> &str {
    answer["text"].as_str().unwrap_or_default()
}

#[tokio::test]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
async fn every_client_uses_the_tools_in_either_era_and_either_way() -> Result<()> {
    let desk = Desk::new().await?;
    let mut listed: Option<Vec<String>> = None;
    for (script, era, version) in CLIENTS {
        for through_the_command in [false, true] {
            let with = || format!("{script} {era}, through the command: {through_the_command}");
            let mut agent = desk.agent(script, era, through_the_command).await.with_context(with)?;
            ensure!(agent.version == version, "{}: {}", with(), agent.version);
            let hangs_up = version != LEGACY || through_the_command;
            let tools = tour(&desk, &mut agent, hangs_up).await.with_context(with)?;
            ensure!(*listed.get_or_insert(tools.clone()) == tools, "{}: another order: {tools:?}", with());
        }
    }
    ensure!(listed.is_some_and(|tools| tools.len() >= 19));
    desk.emulate.stop().await
}

/// All that an agent does without asking; the tools that it found.
async fn tour(desk: &Desk, agent: &mut Agent, hangs_up: bool) -> Result<Vec<String>> {
    let tools = agent.tools().await?;
    ensure!(agent.tools().await? == tools, "the order is not steady");

    let found = agent.gets("connections_list", &json!({})).await?;
    let one = &found["connections"][0];
    ensure!(one["account"] == "ada@contoso.example" && one["may"] == json!(["read", "draft"]), "{found}");
    let found = agent.gets("agent_execute", &json!({ "agent_id": "atthene-status", "message": "Hello" })).await?;
    ensure!(found["status"] == 200 && found["answer"]["key"]["name"] == "Agents", "{found}");

    every_mail_once(agent).await?;
    let found = agent.gets("mail_read", &json!({ "id": "mail-59" })).await?;
    ensure!(found["body"].as_str().is_some_and(|body| body.contains("The words of mail 59.")), "{found}");

    let gone = agent.call("mail_read", &json!({ "id": "mail-60" })).await?;
    ensure!(gone["error"] == true && told(&gone).contains("found nothing of this id"), "{gone}");
    let wrong = agent.call("mail_search", &json!({ "limit": 1000 })).await?;
    ensure!(wrong["error"] != false && told(&wrong).contains("limit"), "{wrong}");
    let unknown = agent.call("mail_burn", &json!({})).await?;
    ensure!(unknown["error"] != false && told(&unknown).contains("mail_burn"), "{unknown}");

    cancelling(desk, agent, hangs_up).await.context("a call that is cancelled")?;
    agent.gets("connections_list", &json!({})).await.context("after the cancelled call")?;
    Ok(tools)
}

/// What Graph is asked for ends with the call. Not so where a client of the older era says over HTTP that it cancels:
/// there is no session to find the call by, and it does not hang up.
async fn cancelling(desk: &Desk, agent: &mut Agent, hangs_up: bool) -> Result<()> {
    let id = format!("{}{}", Graph::HELD, desk.graph.seen().held.len());
    let begun = desk.graph.sees("the call", |seen| seen.held.contains(&id));
    let cancelled = agent.cancels("mail_read", &json!({ "id": id }), begun).await?;
    ensure!(cancelled["cancelled"] == true, "{cancelled}");
    if hangs_up {
        let ended = desk.graph.sees("the gateway to hang up", |seen| seen.hung_up.contains(&id));
        // Before the gateway gives up by itself.
        tokio::time::timeout(Duration::from_secs(5), ended).await.context("the gateway goes on")??;
    }
    Ok(())
}

async fn every_mail_once(agent: &mut Agent) -> Result<()> {
    let (mut ids, mut asked) = (Vec::new(), json!({}));
    loop {
        let page = agent.gets("mail_search", &asked).await?;
        let mails = page["mails"].as_array().context("mails")?;
        ids.extend(mails.iter().filter_map(|mail| mail["id"].as_str()).map(str::to_owned));
        ensure!(ids.len() <= Graph::MAILS, "a mail comes twice: {ids:?}");
        if page["more"] == false {
            break;
        }
        asked = json!({ "cursor": page["next"] });
    }
    ensure!(ids.iter().eq(&(0..Graph::MAILS).map(|number| format!("mail-{number}")).collect::<Vec<_>>()), "{ids:?}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
async fn what_a_person_has_to_allow_waits_for_the_answer() -> Result<()> {
    let desk = Desk::new().await?;
    for (script, era, through_the_command) in
        [("python_sdk", STATELESS, false), ("fastmcp_client", "legacy", true), ("langchain_client", "legacy", false)]
    {
        let mut agent = desk.agent(script, era, through_the_command).await?;
        let yes = format!("Yes to {script}");
        agent.begin("mail_send", &mail(&yes)).await?;
        let id = desk.question(&yes).await?;
        ensure!(desk.graph.seen().sent(&yes) == 0, "it did not wait");
        desk.machine.done(&["approval", "approve", &id]).await?;
        let sent = agent.answer().await?;
        ensure!(sent["structured"]["sent"] == true, "{sent}");
        let again = agent.gets("mail_send", &mail(&yes)).await?;
        ensure!(again["sent"] == true && again["repeated"] == true, "{again}");
        ensure!(desk.graph.seen().sent(&yes) == 1, "{:?}", desk.graph.seen());

        let no = format!("No to {script}");
        agent.begin("mail_send", &mail(&no)).await?;
        desk.machine.done(&["approval", "deny", &desk.question(&no).await?]).await?;
        let refused = agent.answer().await?;
        ensure!(refused["error"] == true && told(&refused).contains("A person said no"), "{refused}");
        let again = agent.call("mail_send", &mail(&no)).await?;
        ensure!(told(&again).contains("A person said no"), "{again}");
        ensure!(desk.graph.seen().sent(&no) == 0 && desk.questions(&no).await?.is_empty());
    }
    desk.emulate.stop().await
}

/// So often the gateway told this tool's caller that a person has not answered.
async fn told_to_wait(desk: &Desk) -> Result<usize> {
    let record = desk.machine.done(&["--json", "activity", "--account", "ada@contoso.example"]).await?.out;
    Ok(record.matches("waits for a person").count())
}

#[tokio::test]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
async fn who_waits_for_long_goes_on_waiting_and_then_sends_once() -> Result<()> {
    let desk = Desk::new().await?;
    // All wait at the same time, for longer than the gateway holds one call.
    let clients = [
        ("python_sdk", STATELESS, false),
        ("python_sdk", STATELESS, true),
        ("fastmcp_client", "auto", false),
        ("python_sdk", "legacy", false),
        ("langchain_client", "legacy", true),
    ];
    let mut waiting = Vec::new();
    for (script, era, through_the_command) in clients {
        let mut agent = desk.agent(script, era, through_the_command).await?;
        let subject = format!("{script} {era} {through_the_command}");
        agent.begin("mail_send", &mail(&subject)).await?;
        let id = desk.question(&subject).await?;
        waiting.push((agent, era, subject, id));
    }
    // The client for TypeScript waits for an answer for a minute, where it is not told otherwise.
    let typescript = async |era: &str| {
        let wanted = mail(&format!("typescript {era}")).to_string();
        let send = ["--method", "tools/call", "--tool-name", "mail_send", "--tool-args-json", &wanted];
        inspect(&desk.machine, &desk.address, &desk.key, &[&["--protocol-era", era], &send[..]].concat()).await
    };
    let in_vain_and_then_allowed = async {
        let legacy = typescript("legacy").await?;
        let id = desk.question("typescript modern").await?;
        until("every call to be held for as long as it can be", || async {
            Ok((told_to_wait(&desk).await? >= clients.len() + 2).then_some(()))
        })
        .await?;
        desk.machine.done(&["approval", "approve", &id]).await?;
        Ok(legacy)
    };
    let (modern, legacy) = tokio::try_join!(typescript("modern"), in_vain_and_then_allowed)?;
    ensure!(legacy.code == 5 && legacy.out.contains("has not answered yet"), "{legacy:?}");
    ensure!(modern.code == 0 && modern.out.contains("\"sent\""), "{modern:?}");
    for (mut agent, era, subject, id) in waiting {
        if era == "legacy" {
            // A result that is an error, which a model reads; no client takes it for the end of all.
            let vain = agent.answer_at_last().await.with_context(|| subject.clone())?;
            ensure!(vain["error"] == true && told(&vain).contains(&format!("(question {id})")), "{subject}: {vain}");
            ensure!(told(&vain).contains("Call again with exactly the same arguments"), "{subject}: {vain}");
            agent.begin("mail_send", &mail(&subject)).await?;
        }
        // Of the stateless revision, the client goes on by itself: its agent hears of the end only.
        desk.machine.done(&["approval", "approve", &id]).await?;
        let sent = agent.answer().await.with_context(|| subject.clone())?;
        ensure!(sent["structured"]["sent"] == true, "{subject}: {sent}");
        let again = agent.gets("mail_send", &mail(&subject)).await?;
        ensure!(again["repeated"] == true && desk.graph.seen().sent(&subject) == 1, "{subject}: {again}");
    }
    desk.emulate.stop().await
}
