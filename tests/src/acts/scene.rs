//! One gateway, its Graph, agents that call, a person that answers; and rounds of all of it at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use atthene_test_support::authority::{CLIENT_ID, Form, Reply, ScriptedAuthority, TENANT, id_token, ok};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Child;
use tokio::task::JoinSet;

use super::deeds::{Deed, Way, draw, nearly, written};
use super::diary::Leaves;
use super::judge::{Attempted, Judge};
use super::office::Office;
use super::people::{Person, lock};
use super::tally::Tally;
use super::wire::{Ending, call};
use crate::machine::Machine;

const SCOPES: &str = "Mail.ReadWrite Mail.Send Calendars.ReadWrite Chat.ReadWrite User.Read";
/// Deeds that are still remembered by agents.
const RECENT: usize = 25;

/// Everything that takes part.
pub struct Scene {
    agents: Agents,
    person: Person,
    office: Office,
    service: Child,
    random: StdRng,
    seed: u64,
    /// Arrivals and calls that were judged.
    judged: (usize, usize),
    _authority: ScriptedAuthority,
}

/// Whoever calls.
#[derive(Clone)]
struct Agents {
    port: u16,
    key: String,
    connections: [String; 2],
    judge: Arc<Mutex<Judge>>,
    next: Arc<AtomicU64>,
}

impl Scene {
    /// A profile with an Outlook and a Teams connection, and its gateway.
    pub async fn open(seed: u64) -> Result<Self> {
        let machine = Arc::new(Machine::server()?);
        let office = Office::open(seed).await?;
        let authority = ScriptedAuthority::start(|_| (500, "", String::new())).await;
        authority.hurry();
        let issuer = authority.issuer.clone();
        let mut tokens = 0;
        authority.says(move |form| {
            tokens += 1;
            signs_in(&issuer, form, tokens)
        });
        let port = atthene_test_support::ports::free();
        machine.done(&["config", "set", "vault", "file"]).await?;
        machine.done(&["config", "set", "gateway_port", &port.to_string()]).await?;
        let named = ["integration", "add", "--name", "Contoso", "--client-id", CLIENT_ID];
        let at = ["--authority", &authority.issuer, "--graph", &office.base, "--scopes", SCOPES];
        machine.done(&[&named[..], &at[..]].concat()).await?;
        let connections = [connects(&machine, "outlook").await?, connects(&machine, "teams").await?];
        let key = machine.done(&["key", "create", "--name", "Agents", "--expires", "30d", "--yes"]).await?;
        let judge = Arc::new(Mutex::new(Judge::new()));
        let agents = Agents {
            port,
            key: key.out.trim().to_owned(),
            connections: connections.clone(),
            judge: judge.clone(),
            next: Arc::default(),
        };
        let (service, _) = machine.serve(&["--quiet"]).await?;
        let person = Person { machine, connections, judge, tally: Arc::default() };
        for through in 0..2 {
            person.permits(through, Leaves::USUAL).await?;
        }
        let random = StdRng::seed_from_u64(seed);
        Ok(Self { agents, person, office, service, random, seed, judged: (0, 0), _authority: authority })
    }

    /// What was counted so far.
    pub fn tally(&self) -> Tally {
        lock(&self.person.tally).clone()
    }

    /// Lets everybody do something at once, perhaps with a crash in the midst of it, and judges what came of it.
    pub async fn round(&mut self) -> Result<()> {
        let number = self.tally().rounds;
        lock(&self.person.tally).rounds += 1;
        self.everybody().await.with_context(|| format!("round {number} of the seed {}", self.seed))
    }

    async fn everybody(&mut self) -> Result<()> {
        self.office.is_calm(false);
        let mut callers = JoinSet::new();
        for _ in 0..self.random.random_range(3..9) {
            callers.spawn(self.agents.clone().calls(StdRng::seed_from_u64(self.random.random())));
        }
        let over = tokio::sync::watch::Sender::new(false);
        let mut people = JoinSet::new();
        for says_what_is_permitted in [true, false] {
            let (person, mut their) = (self.person.clone(), StdRng::seed_from_u64(self.random.random()));
            let is_over = over.subscribe();
            people.spawn(async move {
                while !*is_over.borrow() {
                    if says_what_is_permitted {
                        person.acts(&mut their).await?;
                    } else {
                        person.looks(&mut their).await?;
                    }
                }
                anyhow::Ok(())
            });
        }
        let longest = Duration::from_millis(self.random.random_range(50..700));
        if self.random.random_bool(0.5) {
            // In the midst of something.
            self.office.is_busy(longest).await;
        } else {
            tokio::time::sleep(longest).await;
        }
        if self.random.random_bool(0.5) {
            self.crashes().await?;
            tokio::time::sleep(Duration::from_millis(self.random.random_range(0..300))).await;
        }
        over.send_replace(true);
        while let Some(one) = people.join_next().await {
            one??;
        }
        self.office.is_calm(true);
        while let Some(one) = self.next_ended(&mut callers).await? {
            one?;
        }
        self.office.is_idle().await?;
        self.judges()?;
        self.asks_again().await
    }

    /// The next caller that has ended, while all that waits is denied.
    async fn next_ended(&self, callers: &mut JoinSet<Result<()>>) -> Result<Option<Result<()>>> {
        loop {
            match tokio::time::timeout(Duration::from_millis(100), callers.join_next()).await {
                Ok(Some(ended)) => return Ok(Some(ended?)),
                Ok(None) => return Ok(None),
                Err(_) => self.person.denies_all().await?,
            }
        }
    }

    async fn crashes(&mut self) -> Result<()> {
        let at = Instant::now();
        self.service.kill().await?;
        let (service, _) = self.person.machine.serve(&["--quiet"]).await?;
        self.service = service;
        lock(&self.person.judge).killed.push((at, Instant::now()));
        lock(&self.person.tally).kills += 1;
        Ok(())
    }

    fn judges(&mut self) -> Result<()> {
        let arrivals = self.office.arrivals(self.judged.0);
        let mut judge = lock(&self.agents.judge);
        judge.judge(&arrivals)?;
        judge.answers(self.judged.1)?;
        let mut tally = lock(&self.person.tally);
        tally.calls = judge.calls.len();
        tally.arrived += arrivals.len();
        tally.acted += arrivals.iter().filter(|one| one.method != "GET").count();
        for call in judge.calls.iter().skip(self.judged.1) {
            *tally.endings.entry(word(&call.ending)).or_default() += 1;
        }
        self.judged = (self.judged.0 + arrivals.len(), judge.calls.len());
        Ok(())
    }

    /// What began, and ended nobody knows how, is asked for again: that is told, and it is not done again.
    async fn asks_again(&mut self) -> Result<()> {
        let from = self.judged.0.saturating_sub(60);
        let unclear = lock(&self.agents.judge).unclear(&self.office.arrivals(from));
        if unclear.is_empty() {
            return Ok(());
        }
        for through in 0..2 {
            self.person.permits(through, Leaves::USUAL).await?;
        }
        for number in unclear {
            let deed = lock(&self.agents.judge).deeds[number].clone();
            let ending = self.agents.does(number, &mut self.random, None).await;
            let told = matches!(&ending, Ending::Answered { body, .. } if
                body.contains("outcome_unknown") || body.contains("how it ended is not known"));
            // Where only a person's yes lets it go, and the text can't be shown, nobody can allow it at all.
            let refused = matches!(&ending, Ending::Answered { body, .. } if body.contains("can't be shown"));
            ensure!(told || refused, "its outcome is unknown, and it was told {ending:?}: {deed:?}");
            lock(&self.person.tally).unknown += usize::from(told);
        }
        self.office.is_idle().await?;
        self.judges()
    }
}

impl Agents {
    /// Wants something up to three times.
    async fn calls(self, mut random: StdRng) -> Result<()> {
        for _ in 0..random.random_range(1..4) {
            tokio::time::sleep(Duration::from_millis(random.random_range(0..120))).await;
            let number = self.wants(&mut random);
            let leaves = random.random_bool(0.2).then(|| Duration::from_millis(random.random_range(1..250)));
            let ending = self.does(number, &mut random, leaves).await;
            if let Some(file) = self.file(number, &ending) {
                let number = lock(&self.judge).wants(file);
                self.does(number, &mut random, None).await;
                self.does(number, &mut random, None).await;
            }
        }
        Ok(())
    }

    /// Something new, or the same as somebody wanted before, or nearly the same.
    fn wants(&self, random: &mut StdRng) -> usize {
        let new = self.next.fetch_add(1, Ordering::Relaxed);
        let mut judge = lock(&self.judge);
        let all = judge.deeds.len();
        let recent: Vec<usize> = (all.saturating_sub(RECENT)..all)
            .filter(|number| !matches!(judge.deeds[*number].way, Way::Link(_)))
            .collect();
        match (random.random_range(0..100), recent.choose(random).copied()) {
            (0..38, Some(same)) => same,
            (38..50, Some(other)) => {
                let deed = nearly(random, &judge.deeds[other], new);
                let known = judge.deeds.iter().position(|known| {
                    known.essence == deed.essence && format!("{:?}", known.way) == format!("{:?}", deed.way)
                });
                known.unwrap_or_else(|| judge.wants(deed))
            }
            _ => {
                let deed = draw(random, new);
                judge.wants(deed)
            }
        }
    }

    fn file(&self, number: usize, ending: &Ending) -> Option<Deed> {
        let deed = lock(&self.judge).deeds[number].clone();
        let (Way::Tool { name: "attachment_get", .. }, Ending::Answered { body, .. }) = (&deed.way, ending) else {
            return None;
        };
        let answer: Value = serde_json::from_str(body).ok()?;
        let link = answer["result"]["structuredContent"]["link"].as_str()?;
        Some(deed.file(link.strip_prefix("http://localhost")?))
    }

    /// Does it once, and remembers that.
    async fn does(&self, number: usize, random: &mut StdRng, leaves: Option<Duration>) -> Ending {
        let deed = lock(&self.judge).deeds[number].clone();
        let (head, body) = self.message(&deed, random);
        // Known before it is sent: it may arrive before this goes on.
        let begun = Instant::now();
        let ending = call(self.port, &head, &body, leaves).await;
        let ended = Instant::now();
        lock(&self.judge).calls.push(Attempted { deed: number, begun, ended, ending: ending.clone() });
        ending
    }

    /// The head and the body of a call.
    fn message(&self, deed: &Deed, random: &mut StdRng) -> (String, String) {
        let key = format!("authorization: Bearer {}\r\n", self.key);
        let id = self.connections[deed.through].as_str();
        match &deed.way {
            Way::Tool { name, arguments } => {
                let arguments = written(random, arguments, random_connection(deed, id));
                let version = "2026-07-28";
                let (meta, more) = if random.random_bool(0.5) {
                    let meta = json!({
                        "io.modelcontextprotocol/protocolVersion": version,
                        "io.modelcontextprotocol/clientCapabilities": {},
                    });
                    let named = format!("mcp-method: tools/call\r\nmcp-name: {name}\r\n");
                    (format!(",\"_meta\":{meta}"), format!("mcp-protocol-version: {version}\r\n{named}"))
                } else {
                    (String::new(), String::new())
                };
                let body = format!(
                    r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}","arguments":{arguments}{meta}}}}}"#
                );
                (format!("POST /mcp HTTP/1.1\r\n{key}content-type: application/json\r\n{more}"), body)
            }
            Way::Graph { method, path, kind, body } => {
                let kind = if kind.is_empty() { String::new() } else { format!("content-type: {kind}\r\n") };
                let at = format!("/api/amas/connections/{id}/graph{path}");
                (format!("{method} {at} HTTP/1.1\r\n{key}{kind}"), body.clone())
            }
            Way::Link(path) => (format!("GET {path} HTTP/1.1\r\n{key}"), String::new()),
            Way::Token => (format!("POST /api/amas/connections/{id}/token HTTP/1.1\r\n{key}"), String::new()),
        }
    }
}

/// It may be left out where there is one only, which changes nothing.
fn random_connection<'a>(deed: &Deed, id: &'a str) -> Option<&'a str> {
    deed.essence.len().is_multiple_of(2).then_some(id)
}

fn word(ending: &Ending) -> String {
    let Ending::Answered { status, body } = ending else {
        return format!("{ending:?}");
    };
    let answer: Value = serde_json::from_str(body).unwrap_or_default();
    let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
    let tool = [
        ("not done again", "unknown"),
        ("A person said no", "denied"),
        ("has not answered", "waiting"),
        ("may not", "not permitted"),
        ("\"repeated\":true", "repeated"),
    ];
    let said = tool.iter().find(|(part, _)| text.contains(part)).map(|(_, word)| *word);
    match (answer["code"].as_str(), said) {
        (Some(code), _) => code.to_owned(),
        (None, Some(word)) => word.to_owned(),
        (None, None) if answer["result"]["isError"] == true => "tool error".to_owned(),
        _ => status.to_string(),
    }
}

/// Everybody who has the code of a sign-in, or a refresh token, gets access.
fn signs_in(issuer: &str, form: &Form, number: u64) -> Reply {
    let mut answer = json!({
        "token_type": "Bearer", "expires_in": 3600, "access_token": format!("access-{number}"),
        "refresh_token": format!("refresh-{number}"), "scope": SCOPES,
    });
    if let Some(nonce) = form.get("code") {
        let claims = json!({
            "iss": issuer, "aud": CLIENT_ID, "exp": 4_000_000_000_u64, "nonce": nonce, "sub": "ada", "oid": "ada",
            "tid": TENANT, "preferred_username": "ada@contoso.example",
        });
        answer["id_token"] = id_token(&claims).into();
    }
    ok(&answer)
}

/// Signs Ada in for this toolkit, as a browser would; tells the connection.
async fn connects(machine: &Machine, toolkit: &str) -> Result<String> {
    let mut adding = machine.atthene(&["connection", "add", toolkit, "--print-url", "--yes"])?.spawn()?;
    let mut lines = BufReader::new(adding.stdout.take().context("no output")?).lines();
    let link = lines.next_line().await?.context("no link")?;
    let link = url::Url::parse(&link)?;
    let of = |name: &str| link.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let back = url::Url::parse(&of("redirect_uri").context("no redirect")?)?;
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("code", &of("nonce").unwrap_or_default())
        .append_pair("state", &of("state").unwrap_or_default())
        .finish();
    let mut page = tokio::net::TcpStream::connect(("127.0.0.1", back.port().context("no port")?)).await?;
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        back.path(),
        form.len()
    );
    page.write_all(head.as_bytes()).await?;
    let id = lines.next_line().await?.context("no connection")?;
    ensure!(adding.wait().await?.success(), "the sign-in ended with an error");
    Ok(id)
}
