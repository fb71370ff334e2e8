//! Three nats-servers that form one JetStream cluster.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use async_nats::jetstream::{self, stream};
use futures_util::StreamExt as _;
use skcomm_tui::transport::registry::TransportConfig;
use tempfile::TempDir;

use super::{Server, free_ports, program};

/// How long a cluster may take to agree on something: an election lasts up to nine seconds, and may fail once.
const AGREED_WITHIN: Duration = Duration::from_secs(40);
/// How long one question to the cluster may take, which nobody may answer during an election.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// A stream of the tests' own, made to see that streams can be made.
const TRIAL: &str = "TRIAL";

/// The cluster. Its members can be killed and started again on the same ports and data.
pub(crate) struct Cluster {
    dir: TempDir,
    program: PathBuf,
    ports: [u16; 3],
    routes: [u16; 3],
    servers: [Option<Server>; 3],
}

impl Cluster {
    /// A started cluster that makes streams with three copies; none, loudly, without the program.
    pub(crate) async fn start() -> Option<Self> {
        let program = program("NATS")?;
        let [a, b, c, x, y, z] = free_ports();
        let (ports, routes) = ([a, b, c], [x, y, z]);
        let mut cluster =
            Self { dir: tempfile::tempdir().unwrap(), program, ports, routes, servers: [None, None, None] };
        for n in 0..3 {
            cluster.configure(n);
            cluster.revive(n).await;
        }
        cluster
            .until("a stream with three copies can be made", async |jetstream| {
                let config = stream::Config { name: TRIAL.to_owned(), num_replicas: 3, ..stream::Config::default() };
                jetstream.create_stream(config).await.ok()?;
                jetstream.delete_stream(TRIAL).await.ok()
            })
            .await;
        Some(cluster)
    }

    /// What `docs/transports/nats.md` shows, on this machine and without secrets.
    fn configure(&self, n: usize) {
        let (name, port, route) = (name(n), self.ports[n], self.routes[n]);
        let store = self.dir.path().join(&name);
        let others: Vec<_> = self.routes.iter().map(|route| format!("\"nats://127.0.0.1:{route}\"")).collect();
        let config = format!(
            "server_name: {name}\n\
             listen: \"127.0.0.1:{port}\"\n\
             jetstream {{ store_dir: {store:?}, max_mem: 16MB, max_file: 256MB }}\n\
             cluster {{ name: skcomm, listen: \"127.0.0.1:{route}\", routes: [ {} ] }}\n",
            others.join(", ")
        );
        std::fs::write(self.file(n), config).unwrap();
    }

    fn file(&self, n: usize) -> PathBuf {
        self.dir.path().join(format!("{}.conf", name(n)))
    }

    pub(crate) async fn revive(&mut self, n: usize) {
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(self.file(n));
        self.servers[n] = Some(Server::start(command, self.ports[n]).await);
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self, n: usize) {
        self.servers[n].take().unwrap().kill();
    }

    /// Where the members listen, beginning with this one.
    fn addresses(&self, first: usize) -> [String; 3] {
        [0, 1, 2].map(|n| SocketAddr::from(([127, 0, 0, 1], self.ports[(first + n) % 3])).to_string())
    }

    /// The cluster as the store of relays, with three copies. It is connected to the `first` member that runs.
    pub(crate) fn store(&self, first: usize) -> String {
        format!("nats://{}?realm=ours&replicas=3&connect_seconds=8", self.addresses(first).join(","))
    }

    /// A `nats` transport's settings. It connects to the `first` member that runs.
    pub(crate) fn config(&self, first: usize) -> TransportConfig {
        let servers = self.addresses(first).map(|address| format!("nats://{address}")).to_vec();
        let config = TransportConfig::new("nats").with("servers", servers).with("stream_mib", 64);
        config.with("replicas", 3).with("ack_wait_seconds", 2).with("connect_seconds", 8)
    }

    /// The name of the stream that ends so.
    pub(crate) async fn stream(&self, end: &str) -> String {
        self.until(&format!("there is a stream {end}"), async |jetstream| {
            jetstream
                .stream_names()
                .filter_map(async |name| name.ok().filter(|name| name.ends_with(end)))
                .boxed()
                .next()
                .await
        })
        .await
    }

    /// What the stream's leader says of it, once that fits.
    pub(crate) async fn info<T>(&self, why: &str, stream: &str, fits: impl Fn(&stream::Info) -> Option<T>) -> T {
        self.until(why, async |jetstream| fits(jetstream.get_stream(stream).await.ok()?.cached_info())).await
    }

    /// Which server leads the stream.
    pub(crate) async fn leader(&self, stream: &str) -> usize {
        self.info("the stream has a leader", stream, |info| {
            let leader = info.cluster.as_ref()?.leader.as_ref()?;
            (0..3).find(|n| name(*n) == *leader && self.servers[*n].is_some())
        })
        .await
    }

    /// Waits until all three have everything of the stream.
    pub(crate) async fn complete(&self, stream: &str) {
        self.info("all three have the whole stream", stream, |info| {
            let replicas = &info.cluster.as_ref()?.replicas;
            let whole = replicas.iter().filter(|peer| peer.current && !peer.offline && peer.lag.unwrap_or(0) == 0);
            (whole.count() == 2).then_some(())
        })
        .await;
    }

    /// Asks any server that runs, again and again, until there is an answer.
    async fn until<T>(&self, why: &str, ask: impl AsyncFn(jetstream::Context) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            let asking = async {
                let client = async_nats::connect(self.addresses(0).as_slice()).await.ok()?;
                ask(jetstream::new(client)).await
            };
            if let Ok(Some(answer)) = tokio::time::timeout(ANSWER_WITHIN, asking).await {
                return answer;
            }
            assert!(begun.elapsed() < AGREED_WITHIN, "waited in vain: {why}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn name(n: usize) -> String {
    format!("member-{n}")
}
