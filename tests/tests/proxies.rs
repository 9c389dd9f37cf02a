//! The configurations of docs/proxies, run as they stand: a fleet of proxies on one key.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use atthene_e2e::{Machine, execute_with, output, until};

/// What is protected: answers with the headers that it got.
const UPSTREAM: &str = r#"
import http.server, json
class Upstream(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        body = json.dumps({"authorization": self.headers["authorization"]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(("127.0.0.1", 9000), Upstream).serve_forever()
"#;

fn docs(file: &str) -> String {
    format!("{}/../docs/proxies/{file}", env!("CARGO_MANIFEST_DIR"))
}

/// The programs of `tests/proxies/requirements.txt`: neither Envoy nor Traefik is among Debian's packages.
fn packaged(program: &str) -> Result<PathBuf> {
    let folder = std::env::var_os("ATTHENE_PROXIES").context("ATTHENE_PROXIES names no folder of proxies")?;
    Ok(PathBuf::from(folder).join(program))
}

/// Traefik's own configuration, around the sample.
fn traefik(machine: &Machine) -> Result<String> {
    let file = machine.home().join("traefik.yml");
    let text = format!(
        "entryPoints: {{ web: {{ address: 127.0.0.1:8083 }} }}\nglobal: {{ checkNewVersion: false, sendAnonymousUsage: false }}\n\
         providers: {{ file: {{ filename: {:?} }} }}\n",
        docs("traefik.yml")
    );
    std::fs::write(&file, text)?;
    Ok(file.display().to_string())
}

#[tokio::test]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
async fn s8_every_proxy_lets_the_live_key_through_and_no_other_and_keeps_it_to_itself() -> Result<()> {
    let machine = Machine::new()?;
    let mut upstream = machine.command("python3").args(["-c", UPSTREAM]).spawn()?;
    let (mut serving, _) = machine.serve(&[]).await?;
    let home = machine.home().display();
    let conf = machine.home().join("nginx.conf");
    std::fs::write(
        &conf,
        format!(
            "daemon off; master_process off; error_log stderr; pid {home}/nginx.pid; events {{}}\n\
             http {{ access_log off; client_body_temp_path {home}/b; proxy_temp_path {home}/p; fastcgi_temp_path {home}/f;\n\
             uwsgi_temp_path {home}/u; scgi_temp_path {home}/s; include {}; }}",
            docs("nginx.conf")
        ),
    )?;
    let mut nginx = machine.command("nginx").arg("-c").arg(&conf).spawn().context("nginx")?;
    let mut caddy = machine
        .command("caddy")
        .args(["run", "--adapter", "caddyfile", "--config", &docs("Caddyfile")])
        .spawn()
        .context("caddy")?;
    let mut envoy = machine
        .command(packaged("envoy")?)
        .args(["--concurrency", "1", "--use-dynamic-base-id", "--log-level", "error", "-c", &docs("envoy.yaml")])
        .spawn()
        .context("envoy")?;
    let mut traefik = machine
        .command(packaged("traefik")?)
        .arg(format!("--configFile={}", traefik(&machine)?))
        .stdout(std::process::Stdio::null())
        .spawn()
        .context("traefik")?;
    let proxies = [
        ("nginx", "http://127.0.0.1:8080"),
        ("caddy", "http://127.0.0.1:8081"),
        ("envoy", "http://127.0.0.1:8082"),
        ("traefik", "http://127.0.0.1:8083"),
    ];

    let create = async |name: &str| -> Result<String> {
        Ok(machine.done(&["key", "create", "--name", name, "--expires", "30d"]).await?.out.trim().to_owned())
    };
    let old = create("Old").await?;
    for (name, base) in proxies {
        until(name, || async { Ok((execute_with(base, &old).await?.status == 200).then_some(())) }).await?;
        let passed = execute_with(base, &old).await?;
        ensure!(
            passed.body["authorization"].as_str().is_none_or(str::is_empty),
            "{name} passes the key on: {passed:?}"
        );
        // The root, too: a proxy that puts the caller's path behind its question asks for /auth/verify/.
        let root = output("curl", &["--silent", "--head", "--request", "POST", base]).await?;
        ensure!(root.contains(" 401"), "{name} lets a call to the root through without a key: {root}");
        let authorized = format!("-HAuthorization: Bearer {old}");
        let root = output("curl", &["--silent", "--include", "-XPOST", &authorized, base]).await?;
        ensure!(root.starts_with("HTTP/1.1 200"), "{name} refuses the live key at the root: {root}");
    }
    let live = create("Live").await?;
    for (name, base) in proxies {
        let (refused, passed) = (execute_with(base, &old).await?, execute_with(base, &live).await?);
        ensure!(refused.status == 401, "{name} lets the replaced key through: {refused:?}");
        ensure!(passed.status == 200, "{name} refuses the live key: {passed:?}");
        let head = output("curl", &["--silent", "--head", "--request", "POST", base]).await?.to_lowercase();
        ensure!(head.contains("www-authenticate: bearer"), "{name} hides the challenge: {head}");
    }
    // While everything is stopped, and while nobody can be asked, nothing passes.
    machine.done(&["stop"]).await?;
    // Another process has heard of it within 100 ms.
    until("the gateway to stop", || async {
        Ok((execute_with("http://127.0.0.1:8765", &live).await?.code() == "stopped").then_some(()))
    })
    .await?;
    for (name, base) in proxies {
        let stopped = execute_with(base, &live).await?;
        ensure!(stopped.status >= 400, "{name} lets calls through while everything is stopped: {stopped:?}");
    }
    machine.done(&["resume"]).await?;
    serving.kill().await?;
    for (name, base) in proxies {
        let away = execute_with(base, &live).await?;
        ensure!(away.status >= 400, "{name} lets calls through while the gateway is away: {away:?}");
    }
    for child in [&mut upstream, &mut nginx, &mut caddy, &mut envoy, &mut traefik] {
        child.kill().await?;
    }
    Ok(())
}
