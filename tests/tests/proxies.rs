//! The configurations of docs/proxies, run as they stand: a fleet of proxies on one key.

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

#[tokio::test]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
async fn nginx_and_caddy_let_the_live_key_through_and_no_other() -> Result<()> {
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

    let create = async |name: &str| -> Result<String> {
        Ok(machine.done(&["key", "create", "--name", name, "--expires", "30d"]).await?.out.trim().to_owned())
    };
    let old = create("Old").await?;
    for (name, base) in [("nginx", "http://127.0.0.1:8080"), ("caddy", "http://127.0.0.1:8081")] {
        until(name, || async { Ok((execute_with(base, &old).await?.status == 200).then_some(())) }).await?;
        let passed = execute_with(base, &old).await?;
        ensure!(passed.body["authorization"].is_null(), "{name} passes the key on: {passed:?}");
    }
    let live = create("Live").await?;
    for (name, base) in [("nginx", "http://127.0.0.1:8080"), ("caddy", "http://127.0.0.1:8081")] {
        let (refused, passed) = (execute_with(base, &old).await?, execute_with(base, &live).await?);
        ensure!(refused.status == 401, "{name} lets the replaced key through: {refused:?}");
        ensure!(passed.status == 200, "{name} refuses the live key: {passed:?}");
        let head = output("curl", &["--silent", "--head", "--request", "POST", base]).await?.to_lowercase();
        ensure!(head.contains("www-authenticate: bearer"), "{name} hides the challenge: {head}");
    }
    for child in [&mut upstream, &mut serving, &mut nginx, &mut caddy] {
        child.kill().await?;
    }
    Ok(())
}
