//! Real servers that some tests and figures need. `tests/run` installs them (`tests/servers/NAME.sh`) and names each one's
//! program in `SKCOMM_TEST_NAME`; who misses its server says so loudly.
//!
//! The integration tests and the bench table share it.

#[cfg(feature = "matrix")]
pub(crate) mod matrix;
#[cfg(feature = "nats")]
pub(crate) mod nats;
#[cfg(feature = "nats")]
pub(crate) mod nats_cluster;
#[cfg(feature = "nostr")]
pub(crate) mod nostr;

use std::{
    io::Write as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long a server may take to start.
const STARTED_WITHIN: Duration = Duration::from_secs(30);

/// The program of the server `name` (`NATS`, `NOSTR`, ...), or none, said so that nobody takes it for a pass.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let variable = format!("SKCOMM_TEST_{name}");
    let found = std::env::var_os(&variable).filter(|path| !path.is_empty()).map(PathBuf::from);
    if found.is_none() {
        // Past the capture of the test harness, which keeps to itself what passing tests print.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: what needs {name}: {variable} names no program; tests/run installs it"
        );
    }
    found
}

/// A TCP port of the loopback that nobody listens on at the moment.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// So many different ones.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    // All are held until the last is found.
    let held = [(); N].map(|()| std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

/// A running server, killed when dropped.
pub(crate) struct Server(Child);

impl Server {
    /// Starts `command` and waits until `port` of the loopback answers.
    pub(crate) async fn start(command: Command, port: u16) -> Self {
        Self::start_logging(command, port, Stdio::null()).await
    }

    /// The same, with its standard error going to `log`.
    pub(crate) async fn start_logging(mut command: Command, port: u16, log: Stdio) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let (server, begun) = (Self(command.spawn().unwrap()), Instant::now());
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(begun.elapsed() < STARTED_WITHIN, "waited in vain: the server answers on port {port}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        server
    }

    /// The system's number of the process.
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// SIGKILL, and waits for the end.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}
