//! Nothing leaves without a yes: the card in the window, the notification, the command.

use anyhow::{Context, Result, ensure};
use atthene_e2e::{Answer, Emulate, Machine, NotificationDaemon, Window, call_tool, until};
use atthene_test_support::graph::{Asked, ScriptedGraph, found};
use serde_json::{Value, json};

/// Takes every draft and every mail.
fn mailbox(asked: &Asked) -> atthene_test_support::graph::Answer {
    match asked.method.as_str() {
        "POST" if asked.path.ends_with("sendMail") => (202, String::new(), String::new()),
        "POST" => (201, String::new(), json!({ "id": "d1", "subject": asked.body["subject"] }).to_string()),
        _ => found(&json!({ "value": [] })),
    }
}

/// An account whose mailbox is a scripted one, and the key.
struct Desk {
    machine: Machine,
    microsoft: Emulate,
    graph: ScriptedGraph,
    key: String,
}

impl Desk {
    async fn new() -> Result<Self> {
        let mut machine = Machine::new()?;
        let microsoft = Emulate::for_anybody(&machine).await?;
        let graph = ScriptedGraph::start().await;
        graph.says(mailbox);
        machine.set_passphrase()?;
        machine.done(&["config", "set", "vault", "file"]).await?;
        let integration = machine.add_integration(Emulate::ISSUER, &graph.base, None).await?;
        machine.connect(&integration, "ada@contoso.example").await?;
        let key = machine.done(&["key", "create", "--name", "Agents", "--expires", "30d"]).await?.out.trim().to_owned();
        Ok(Self { machine, microsoft, graph, key })
    }

    async fn send(&self, subject: &str) -> Result<Answer> {
        call_tool("mail_send", &mail(subject), &self.key).await
    }

    fn sent(&self) -> usize {
        self.graph.asked().iter().filter(|asked| asked.path.ends_with("sendMail")).count()
    }
}

fn mail(subject: &str) -> Value {
    json!({ "to": ["grace@contoso.example"], "subject": subject, "body": "The offer of today.\nAda" })
}

fn said(answer: &Answer) -> &str {
    answer.body["result"]["content"][0]["text"].as_str().unwrap_or_default()
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn an_agent_asks_to_send_and_a_person_answers_in_the_window() -> Result<()> {
    let desk = Desk::new().await?;
    let window = Window::open(&desk.machine).await?;
    window.find("[data-gateway=listening]").await?;
    window.press("Tools").await?;

    // Denied: nothing leaves.
    let (answer, shown) = tokio::join!(desk.send("Offer"), async {
        window.shows("[data-approval]", "wants to send something").await?;
        window.shows("[data-approval]", "grace@contoso.example").await?;
        window.shows("[data-approval] pre", "The offer of today.").await?;
        window.shows("#attention", "1 thing needs you").await?;
        window.picture("approval").await?;
        window.click("[data-deny]:enabled").await
    });
    shown?;
    ensure!(said(&answer?).contains("said no"), "the agent is told");
    window.gone("[data-approval]").await?;
    ensure!(desk.sent() == 0);

    // Allowed: sent once, although the agent repeats it.
    let (answer, shown) = tokio::join!(desk.send("Second offer"), async {
        window.shows("[data-approval]", "Second offer").await?;
        window.click("[data-approve]:enabled").await
    });
    shown?;
    let answer = answer?;
    ensure!(answer.body["result"]["structuredContent"]["sent"] == true, "{answer:?}");
    let again = desk.send("Second offer").await?;
    ensure!(again.body["result"]["structuredContent"]["repeated"] == true, "{again:?}");
    ensure!(desk.sent() == 1, "sent {} times", desk.sent());
    window.gone("[data-approval]").await?;

    // Changed before it leaves: what the person wrote is sent, and the agent hears that it was changed.
    let (answer, shown) = tokio::join!(desk.send("Third offer"), async {
        window.shows("[data-approval]", "Third offer").await?;
        window.click("[data-edit]:enabled").await?;
        window.fill("[data-edit-body]", "Dear Grace, the offer of tomorrow.").await?;
        window.picture("approval-edit").await?;
        window.shows("[data-approve]", "as changed").await?;
        window.click("[data-approve]:enabled").await
    });
    shown?;
    let answer = answer?;
    ensure!(answer.body["result"]["structuredContent"]["edited"] == true, "{answer:?}");
    let last = desk.graph.asked().pop().context("a call")?;
    ensure!(last.body["message"]["body"]["content"] == "Dear Grace, the offer of tomorrow.", "{:?}", last.body);
    ensure!(desk.sent() == 2, "sent {} times", desk.sent());

    // What came of it is on record, without a word of the mail.
    window.press("Activity").await?;
    window.shows("main", "allowed an act as").await?;
    let record = desk.machine.done(&["--json", "activity"]).await?.out;
    ensure!(record.contains("act_performed") && !record.contains("The offer of today"), "{record}");
    window.close().await?;
    for text in ["The offer of today", "the offer of tomorrow"] {
        if let Some(file) = desk.machine.any_file_holds(text)? {
            anyhow::bail!("the text of a mail is left in {}", file.display());
        }
    }
    desk.microsoft.stop().await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn without_a_window_the_notification_leads_to_it_and_the_command_answers_too() -> Result<()> {
    let desk = Desk::new().await?;
    let daemon = NotificationDaemon::start(&desk.machine).await?;
    let window = Window::open(&desk.machine).await?;
    window.find("[data-gateway=listening]").await?;
    window.leave().await?;

    let (answer, answered) = tokio::join!(desk.send("Offer"), async {
        daemon.choose("waits for your answer").await?;
        until("the window to be there", || async {
            Ok(atthene_e2e::output("wmctrl", &["-l"]).await?.contains("ATTHENE Settings").then_some(()))
        })
        .await?;
        let waiting = desk.machine.done(&["--json", "approval", "list"]).await?.json()?;
        let id = waiting[0]["id"].as_str().context("a question")?.to_owned();
        let shown = desk.machine.done(&["approval", "show", &id]).await?.out;
        ensure!(shown.contains("To: grace@contoso.example") && shown.contains("The offer of today."), "{shown}");
        desk.machine.done(&["approval", "approve", &id]).await.map(drop)
    });
    answered?;
    let answer = answer?;
    ensure!(answer.body["result"]["structuredContent"]["sent"] == true, "{answer:?}");
    ensure!(desk.sent() == 1);
    atthene_e2e::end_app().await?;
    daemon.stop().await?;
    desk.microsoft.stop().await
}
