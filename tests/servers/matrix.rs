//! A real Synapse on the loopback, without federation.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Weak},
};

use matrix_sdk::reqwest;
use serde_json::{Value, json};
use skcomm_tui::transport::registry::TransportConfig;
use tempfile::TempDir;
use tokio::sync::Mutex;

use super::{Server, free_port, program};

pub(crate) const PASSWORD: &str = "a password for tests";

/// A homeserver, killed when dropped.
pub(crate) struct Homeserver {
    pub(crate) python: PathBuf,
    port: u16,
    dir: TempDir,
    server: Mutex<Option<Server>>,
}

/// The homeserver of those tests that break nothing; none when there is no Synapse.
pub(crate) async fn shared() -> Option<Arc<Homeserver>> {
    static SHARED: Mutex<Weak<Homeserver>> = Mutex::const_new(Weak::new());
    let mut shared = SHARED.lock().await;
    if let Some(running) = shared.upgrade() {
        return Some(running);
    }
    let started = Arc::new(Homeserver::start("{per_second: 10000, burst_count: 10000}").await?);
    *shared = Arc::downgrade(&started);
    Some(started)
}

impl Homeserver {
    /// Starts one that takes messages at the rate `messages`; none when there is no Synapse.
    pub(crate) async fn start(messages: &str) -> Option<Self> {
        // More than one TLS provider is linked; programs choose in main, tests here.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let python = program("MATRIX")?;
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        std::fs::write(dir.path().join("homeserver.yaml"), settings(dir.path(), port, messages)).unwrap();
        std::fs::write(dir.path().join("log.yaml"), "version: 1\ndisable_existing_loggers: false\n").unwrap();
        let made = synapse(&python, dir.path()).arg("--generate-keys").output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let this = Self { python, port, dir, server: Mutex::new(None) };
        this.run().await;
        Some(this)
    }

    /// Starts it (again), on the same port and with the same data.
    pub(crate) async fn run(&self) {
        let server = Server::start(synapse(&self.python, self.dir.path()), self.port).await;
        *self.server.lock().await = Some(server);
    }

    /// SIGKILL.
    pub(crate) async fn kill(&self) {
        self.server.lock().await.take().unwrap().kill();
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> std::net::SocketAddr {
        std::net::SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes a user, and says who it is.
    pub(crate) async fn user(&self, name: &str) -> String {
        let auth = json!({"type": "m.login.dummy"});
        let body = json!({"username": name, "password": PASSWORD, "auth": auth, "inhibit_login": true});
        let answer = self.post("/_matrix/client/v3/register", None, &body).await;
        answer["user_id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Logs in, and says the access token and the device.
    pub(crate) async fn token(&self, user: &str) -> (String, String) {
        let identifier = json!({"type": "m.id.user", "user": user});
        let body = json!({"type": "m.login.password", "identifier": identifier, "password": PASSWORD});
        let answer = self.post("/_matrix/client/v3/login", None, &body).await;
        let part = |name: &str| answer[name].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        (part("access_token"), part("device_id"))
    }

    pub(crate) async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Value {
        let request = client().post(format!("{}{path}", self.url())).body(body.to_string());
        answer(request, token).await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Value {
        answer(client().get(format!("{}{path}", self.url())), Some(token)).await
    }

    /// A transport of that user.
    pub(crate) fn transport(&self, user: &str) -> TransportConfig {
        self.without_login(user).with("password", PASSWORD)
    }

    pub(crate) fn without_login(&self, user: &str) -> TransportConfig {
        TransportConfig::new("matrix").with("user", user).with("homeserver", self.url())
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn answer(mut request: reqwest::RequestBuilder, token: Option<&str>) -> Value {
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let text = request.send().await.unwrap().text().await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"))
}

fn synapse(python: &Path, dir: &Path) -> Command {
    let mut command = Command::new(python);
    command.args(["-m", "synapse.app.homeserver", "-c"]).arg(dir.join("homeserver.yaml")).current_dir(dir);
    command
}

fn settings(dir: &Path, port: u16, messages: &str) -> String {
    let dir = dir.display();
    let free = "{per_second: 10000, burst_count: 10000}";
    format!(
        r#"server_name: "hs.test"
pid_file: {dir}/hs.pid
public_baseurl: http://127.0.0.1:{port}/
listeners:
  - port: {port}
    bind_addresses: ['127.0.0.1']
    type: http
    tls: false
    resources: [{{names: [client], compress: false}}]
database:
  name: sqlite3
  args: {{database: {dir}/hs.db}}
log_config: {dir}/log.yaml
media_store_path: {dir}/media
signing_key_path: {dir}/sign.key
trusted_key_servers: []
suppress_key_server_warning: true
report_stats: false
enable_registration: true
enable_registration_without_verification: true
bcrypt_rounds: 4
rc_message: {messages}
rc_registration: {free}
rc_login: {{address: {free}, account: {free}, failed_attempts: {free}}}
rc_invites: {{per_room: {free}, per_user: {free}, per_issuer: {free}}}
rc_joins: {{local: {free}, remote: {free}}}
rc_room_creation: {free}
federation_domain_whitelist: []
url_preview_enabled: false
"#
    )
}
