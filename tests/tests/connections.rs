//! Sign-ins in the real window, with Chromium as the system browser, a real keychain and a
//! Microsoft that nobody here wrote.

use anyhow::{Context, Result, ensure};
use atthene_e2e::{Browser, Emulate, Keychain, Machine, OpenIdProvider, Window, call, execute, until};

struct Desk {
    machine: Machine,
    keychain: Keychain,
    microsoft: Emulate,
}

impl Desk {
    async fn new() -> Result<Self> {
        let machine = Machine::new()?;
        Browser::install(&machine)?;
        let keychain = Keychain::unlocked(&machine).await?;
        let microsoft = Emulate::for_anybody(&machine).await?;
        Ok(Self { machine, keychain, microsoft })
    }

    async fn close(self) -> Result<()> {
        self.microsoft.stop().await?;
        self.keychain.stop().await
    }
}

/// Fills in an app at this authority.
async fn fill_integration(window: &Window, issuer: &str) -> Result<()> {
    window.press("Integrations").await?;
    window.click("#add-integration").await?;
    window.click("#pick-microsoft").await?;
    window.fill("#integration-name", "Contoso").await?;
    window.fill("#client-id", Emulate::CLIENT_ID).await?;
    window.choose("#cloud", "Another authority").await?;
    window.fill("#issuer", issuer).await?;
    window.fill("#graph", Emulate::GRAPH).await?;
    window.press("Outlook read").await
}

/// Adds a public app with this way back.
async fn add_integration(window: &Window, way_back: &str) -> Result<()> {
    fill_integration(window, Emulate::ISSUER).await?;
    window.click(&format!("input[value={way_back}]")).await?;
    window.shows("#platform", "Mobile and desktop").await?;
    window.click("#save-integration").await?;
    window.find("[data-health=passed]").await?;
    Ok(())
}

async fn connect(window: &Window) -> Result<()> {
    window.press("Tools").await?;
    window.click("#connect-outlook").await?;
    window.shows("#connect-integration", "Contoso").await?;
    window.click("#open-browser").await?;
    window.find("[data-sign-in=waiting]").await?;
    Ok(())
}

/// The refresh token that lies in the keychain.
async fn refresh_token(keychain: &Keychain, id: &str) -> Result<String> {
    let shown = keychain.holds(&format!("Sign-in of {id}")).await?;
    let secret = shown.lines().find_map(|line| line.strip_prefix("secret = ")).context("there is no refresh token")?;
    // It lies there together with what it is for.
    let kept: serde_json::Value = serde_json::from_str(secret)?;
    ensure!(kept["for"]["issuer"].is_string() && kept["account"].is_string(), "it does not say what it is for");
    Ok(kept["secret"].as_str().context("no token")?.to_owned())
}

/// From the account to its part of the record, to a signed file of it, which the command checks.
async fn who_read_adas_mail(machine: &Machine, window: &Window) -> Result<()> {
    window.press("What agents did as ada@contoso.example").await?;
    window.shows("[data-kind=graph_call]", "/me as ada@contoso.example").await?;
    ensure!(window.script("return document.querySelector('[data-kind=key_created]') === null").await? == true);
    window.picture("timeline").await?;
    for name in ["ada.json", "ada.html"] {
        let file = machine.home().join(name);
        window.click(if name.ends_with("json") { "#timeline-signed" } else { "#timeline-page" }).await?;
        window.choose_file("Save as", &file).await?;
        window.shows(".export [role=status]", name).await?;
    }
    let file = machine.home().join("ada.json").display().to_string();
    let checked = machine.done(&["--json", "activity", "--check", &file]).await?.json()?;
    ensure!(checked["from_here"] == true && checked["timeline"]["record_sound"] == true, "{checked}");
    let kinds: Vec<&str> =
        checked["timeline"]["rows"].as_array().context("rows")?.iter().filter_map(|row| row["kind"].as_str()).collect();
    ensure!(kinds.contains(&"graph_call") && kinds.contains(&"token_handed"), "{kinds:?}");
    let page = std::fs::read_to_string(machine.home().join("ada.html"))?;
    ensure!(page.contains("GET /v1.0/me"), "{page}");
    window.press("Tools").await?;
    window.find("[data-connection]").await?;
    Ok(())
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn a_person_connects_through_loopback_and_agents_get_fresh_access() -> Result<()> {
    let desk = Desk::new().await?;
    let window = Window::open(&desk.machine).await?;
    let key = window.create_key("Agents").await?;
    window.copy_and_close().await?;
    add_integration(&window, "loopback").await?;
    connect(&window).await?;
    window.picture("connect-waiting").await?;
    let browser = Browser::attach(&desk.machine).await?;
    browser.sign_in("ada@contoso.example").await?;
    browser.shows("You are signed in").await?;
    ensure!(!browser.address().await?.contains("code"), "the code stands in the address");
    // Agents get nothing before the person has said that the right one signed in.
    window.find("[data-sign-in=confirm]").await?;
    window.picture("connect-confirm").await?;
    let listed = call("GET", "/api/amas/connections", &key).await?;
    ensure!(listed.body.as_array().is_some_and(Vec::is_empty), "{listed:?}");
    window.confirm_account("ada@contoso.example").await?;
    window.click("#connect-done").await?;
    window.find("[data-connection][data-state=connected]").await?;
    let id = window.find("[data-connection]").await?.attr("data-connection").await?.context("no id")?;

    // Test: Graph knows who it is; this Microsoft has no mail.
    window.open_row("ada@contoso.example").await?;
    window.press("Test ada@contoso.example").await?;
    window.shows("[data-probe=passed]", "Ada Lovelace").await?;
    window.picture("connected").await?;

    // An agent: list, token, Graph.
    let listed = call("GET", "/api/amas/connections", &key).await?;
    ensure!(listed.body[0]["account"] == "ada@contoso.example", "{listed:?}");
    // A new connection lets agents read; the token itself is another matter.
    let token = format!("/api/amas/connections/{id}/token");
    ensure!(call("POST", &token, &key).await?.code() == "not_permitted");
    window.find("[data-permissions]").await?;
    window.picture("permissions").await?;
    window.press("Allow everything that was granted").await?;
    let token = until("the token to be permitted", || async {
        let token = call("POST", &token, &key).await?;
        Ok((token.status == 200).then_some(token))
    })
    .await?;
    let first = token.body["access_token"].as_str().context("no access token")?.to_owned();
    let me = call("GET", &format!("/api/amas/connections/{id}/graph/v1.0/me"), &key).await?;
    ensure!(me.status == 200 && me.body["displayName"] == "Ada Lovelace", "{me:?}");
    ensure!(execute(&key).await?.body["connections"][0]["id"] == id.as_str());
    window.shows("article", "just now").await?;

    // The refresh token is in the keychain only.
    let refresh = refresh_token(&desk.keychain, &id).await?;
    let nowhere_else = |secret: &str| -> Result<()> {
        if let Some(file) = desk.machine.any_file_holds(secret)?
            // The browser's own files hold what it was shown; it was never shown a token.
            && !file.starts_with(desk.machine.home().join("chromium"))
        {
            anyhow::bail!("a token lies in {}", file.display());
        }
        ensure!(!Machine::processes_show(secret)?, "a token stands in a process listing");
        Ok(())
    };
    nowhere_else(&refresh)?;
    nowhere_else(&first)?;
    for (command, arguments) in [("list_connections", "{}"), ("list_integrations", "{}")] {
        let answer = window.invoke(command, arguments).await?.to_string();
        ensure!(!answer.contains(&refresh) && !answer.contains(&first), "{command} gives a token away");
    }
    for answer in [&listed, &token, &me] {
        ensure!(!answer.body.to_string().contains(&refresh), "the gateway gives the refresh token away");
    }

    who_read_adas_mail(&desk.machine, &window).await?;

    // Restarted, access is fetched anew and the refresh token is rotated.
    window.close().await?;
    let window = Window::open(&desk.machine).await?;
    window.find("[data-gateway=listening]").await?;
    let again = call("POST", &format!("/api/amas/connections/{id}/token"), &key).await?;
    ensure!(again.status == 200 && again.body["access_token"] != first.as_str(), "{again:?}");
    let rotated = refresh_token(&desk.keychain, &id).await?;
    ensure!(rotated != refresh, "the refresh token was not rotated");
    nowhere_else(&rotated)?;

    // Disconnected, it is gone from here.
    window.press("Tools").await?;
    window.open_row("ada@contoso.example").await?;
    window.press("Disconnect ada@contoso.example").await?;
    window.click("#disconnect-confirm").await?;
    window.gone("[data-connection]").await?;
    ensure!(refresh_token(&desk.keychain, &id).await.is_err(), "the refresh token stays in the keychain");
    let gone = call("POST", &format!("/api/amas/connections/{id}/token"), &key).await?;
    ensure!(gone.code() == "connection_not_found", "{gone:?}");
    browser.close().await?;
    window.close().await?;
    desk.close().await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn the_browser_follows_the_apps_own_scheme_into_the_running_app() -> Result<()> {
    let desk = Desk::new().await?;
    let window = Window::open(&desk.machine).await?;
    until("the scheme to be registered", || async {
        let list = desk.machine.home().join(".local/share/applications/mimeapps.list");
        let config = desk.machine.home().join(".config/mimeapps.list");
        let registered = [list, config].iter().any(|file| {
            std::fs::read_to_string(file).is_ok_and(|text| text.contains("x-scheme-handler/com.atthene.settings"))
        });
        Ok(registered.then_some(()))
    })
    .await?;
    add_integration(&window, "deep_link").await?;
    connect(&window).await?;
    let browser = Browser::attach(&desk.machine).await?;
    browser.sign_in("grace@contoso.example").await?;
    window.confirm_account("grace@contoso.example").await?;
    window.click("#connect-done").await?;

    // A link that nobody waits for changes nothing but the record.
    let status = desk
        .machine
        .command(Machine::app()?)
        .arg("com.atthene.settings://oauth/built-in/callback?code=c&state=forged")
        .status()
        .await?;
    ensure!(status.success(), "{status}");
    until("the forged link to be on record", || async {
        let database = rusqlite::Connection::open(desk.machine.data_dir().join("atthene.db"))?;
        let refused: i64 =
            database.query_row("SELECT count(*) FROM activity WHERE kind = 'sign_in_refused'", [], |row| row.get(0))?;
        Ok((refused == 1).then_some(()))
    })
    .await?;
    window.find("[data-connection][data-state=connected]").await?;
    browser.close().await?;
    window.close().await?;
    desk.close().await
}

/// An https server with a certificate of its own making, as a company's web server.
const WEB_SERVER: &str = r#"
import http.server, ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8443), http.server.SimpleHTTPRequestHandler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"#;

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn a_page_of_the_company_passes_the_answer_on() -> Result<()> {
    let desk = Desk::new().await?;
    let site = desk.machine.home().join("site");
    std::fs::create_dir_all(&site)?;
    let mut command = desk.machine.command("openssl");
    command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]);
    let made = command.args(["-keyout", "key.pem", "-out", "cert.pem"]).current_dir(&site).output().await?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut server = desk.machine.command("python3").args(["-c", WEB_SERVER]).current_dir(&site).spawn()?;

    let window = Window::open(&desk.machine).await?;
    fill_integration(&window, Emulate::ISSUER).await?;
    window.fill("#client-secret", Emulate::CLIENT_SECRET).await?;
    window.click("input[value=page]").await?;
    window.fill("#page-url", "https://localhost:8443/atthene-callback.html").await?;
    window.shows("#platform", "Web").await?;
    window.press("Save the page…").await?;
    let file = site.join("atthene-callback.html");
    window.choose_file("Save as", &file).await?;
    until("the page to be saved", || async { Ok(file.exists().then_some(())) }).await?;
    window.click("#save-integration").await?;
    window.find("[data-health=passed]").await?;
    connect(&window).await?;
    let browser = Browser::attach(&desk.machine).await?;
    browser.sign_in("ada@contoso.example").await?;
    window.confirm_account("ada@contoso.example").await?;
    browser.shows("Back to ATTHENE Settings").await?;
    ensure!(!browser.address().await?.contains("code="), "the code stays in the address");
    browser.close().await?;
    server.kill().await?;
    window.close().await?;
    desk.close().await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn a_certified_openid_provider_signs_people_in_and_renews_their_access() -> Result<()> {
    let desk = Desk::new().await?;
    let provider = OpenIdProvider::start(&desk.machine).await?;
    let window = Window::open(&desk.machine).await?;
    let key = window.create_key("Agents").await?;
    window.copy_and_close().await?;
    fill_integration(&window, OpenIdProvider::ISSUER).await?;
    window.click("#save-integration").await?;
    window.find("[data-health=passed]").await?;
    connect(&window).await?;
    let browser = Browser::attach(&desk.machine).await?;
    browser.fill("input[name=login]", "ada").await?;
    browser.fill("input[name=password]", "any").await?;
    browser.click("button[type=submit]").await?;
    // Its second page asks for consent.
    browser.shows("Authorize").await?;
    browser.click("button[type=submit]").await?;
    browser.shows("You are signed in").await?;
    window.confirm_account("ada@contoso.example").await?;
    window.click("#connect-done").await?;
    let id = window.find("[data-connection]").await?.attr("data-connection").await?.context("no id")?;
    desk.machine.permit_everything(&id).await?;

    // Its access ends within a second; each time it is renewed, the refresh token is another one.
    let mut seen = vec![refresh_token(&desk.keychain, &id).await?];
    for _ in 0..3 {
        let rotated = until("the refresh token to be another one", || async {
            let token = call("POST", &format!("/api/amas/connections/{id}/token"), &key).await?;
            ensure!(token.status == 200, "{token:?}");
            let kept = refresh_token(&desk.keychain, &id).await?;
            Ok((seen.last() != Some(&kept)).then_some(kept))
        })
        .await?;
        ensure!(!seen.contains(&rotated), "an earlier refresh token came back");
        seen.push(rotated);
    }
    // It forgets everybody when it starts anew: only a person can help then.
    provider.stop().await?;
    let provider = OpenIdProvider::start(&desk.machine).await?;
    let lost = until("the access to end", || async {
        let lost = call("POST", &format!("/api/amas/connections/{id}/token"), &key).await?;
        Ok((lost.status != 200).then_some(lost))
    })
    .await?;
    ensure!(lost.status == 409 && lost.code() == "needs_sign_in", "{lost:?}");
    window.find("[data-connection][data-state=needs_sign_in]").await?;
    window.picture("needs-sign-in").await?;
    browser.close().await?;
    provider.stop().await?;
    window.close().await?;
    desk.close().await
}
