//! What a tool adds to Graph's own time: the same questions asked of the same Graph directly and through the gateway, in
//! turns, each on a connection that is kept.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use atthene_test_support::caller::Caller;
use atthene_test_support::installation::Installation;
use atthene_test_support::mailbox::{Contents, Mailbox};
use atthene_test_support::strict_authority::StrictAuthority;
use serde_json::{Value, json};

/// Access outlives the run: nothing is renewed meanwhile.
const LIVES: u64 = 24 * 3_600;
const MAILS: usize = 1_000;
/// Before the first that counts: the key is checked, connections are made.
const WARM: usize = 50;

/// The same question in both languages.
struct Question {
    name: &'static str,
    tool: &'static str,
    /// Bytes of a body in the mailbox.
    body: usize,
    arguments: fn(usize) -> Value,
    path: fn(usize) -> String,
}

const ROW: &str =
    "id,subject,from,toRecipients,receivedDateTime,isRead,isDraft,hasAttachments,importance,parentFolderId,bodyPreview";
const WHOLE: &str = "id,subject,from,sender,toRecipients,ccRecipients,bccRecipients,replyTo,receivedDateTime,isRead,isDraft,hasAttachments,importance,parentFolderId,webLink,uniqueBody,body";

fn read(number: usize) -> (Value, String) {
    let id = Mailbox::id(number % MAILS);
    (json!({ "id": id }), format!("me/messages/{id}?$select={WHOLE}"))
}

fn search(limit: usize) -> (Value, String) {
    let filter = "receivedDateTime%20ge%201900-01-01T00%3A00%3A00Z&$orderby=receivedDateTime%20desc";
    (json!({ "limit": limit }), format!("me/messages?$filter={filter}&$top={limit}&$select={ROW}"))
}

const QUESTIONS: [Question; 4] = [
    Question {
        name: "mail_search, 10 mails",
        tool: "mail_search",
        body: 4_000,
        arguments: |_| search(10).0,
        path: |_| search(10).1,
    },
    Question {
        name: "mail_search, 25 mails",
        tool: "mail_search",
        body: 4_000,
        arguments: |_| search(25).0,
        path: |_| search(25).1,
    },
    Question { name: "mail_read, 4 KB", tool: "mail_read", body: 4_000, arguments: |n| read(n).0, path: |n| read(n).1 },
    Question {
        name: "mail_read, 1 MB",
        tool: "mail_read",
        body: 1_000_000,
        arguments: |n| read(n).0,
        path: |n| read(n).1,
    },
];

pub(crate) fn run(calls: usize) -> Result<()> {
    println!(
        "{:24} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "", "Graph p50", "p99 µs", "tool p50", "p99 µs", "adds p50", "p99 µs"
    );
    for question in QUESTIONS {
        ask(&question, if question.body > 100_000 { calls / 10 } else { calls })?;
    }
    Ok(())
}

fn ask(question: &Question, calls: usize) -> Result<()> {
    let own = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let strict = own.block_on(StrictAuthority::start(LIVES));
    let mailbox = own.block_on(Mailbox::start(Contents { mails: MAILS, body: question.body, ..Contents::default() }));
    let machine = Installation::new()?;
    machine.add_integration(&strict, &mailbox.base)?;
    machine.sign_in("account-0")?;
    let key = machine.key()?;
    let mut service = machine.serve(&[])?;
    let port = mailbox.base.rsplit(':').next().and_then(|port| port.parse().ok()).context("no port")?;
    let (mut graph, mut gateway) = (Caller::new(port), Caller::new(machine.port));
    let prefer = "prefer: IdType=\"ImmutableId\", outlook.body-content-type=\"text\"\r\n";
    let (mut straight, mut by_tool) = (Vec::new(), Vec::new());
    for number in 0..WARM + calls {
        let began = Instant::now();
        let (status, _) = graph.call_with(&format!("GET /v1.0/{}", (question.path)(number)), "access", prefer, "")?;
        let took = began.elapsed();
        ensure!(status == 200, "Graph answered {status}");
        let began = Instant::now();
        let result = gateway.call_tool(question.tool, &(question.arguments)(number), &key)?;
        let took_by_tool = began.elapsed();
        ensure!(result["isError"] != true, "{}: {result}", question.name);
        if number >= WARM {
            straight.push(took);
            by_tool.push(took_by_tool);
        }
    }
    service.kill()?;
    service.wait()?;
    let [graph, tool] = [straight, by_tool].map(|mut all| {
        all.sort_unstable();
        let at = |share: usize| all.get(all.len() * share / 100).map_or(0.0, Duration::as_secs_f64) * 1e6;
        [at(50), at(99)]
    });
    println!(
        "{:24} {:>10.0} {:>10.0} {:>10.0} {:>10.0} {:>10.0} {:>10.0}",
        question.name,
        graph[0],
        graph[1],
        tool[0],
        tool[1],
        tool[0] - graph[0],
        tool[1] - graph[1]
    );
    Ok(())
}
