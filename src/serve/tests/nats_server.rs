//! A NATS server of the tests' own, where `SKCOMM_TEST_NATS` names its program.

use std::{
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use super::{keepers::ask, within};

/// A server that can be killed and started again on the same port and data.
pub(super) struct NatsServer {
    dir: tempfile::TempDir,
    program: PathBuf,
    port: u16,
    process: Option<Child>,
}

impl NatsServer {
    /// A started server with this beside the usual configuration; none, loudly, without the program.
    pub(super) async fn start(more: &str) -> Option<Self> {
        const VARIABLE: &str = "SKCOMM_TEST_NATS";
        let Some(program) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from) else {
            // Past the capture of the test harness, which keeps to itself what passing tests print.
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED: a test of the relay against NATS: {VARIABLE} names no program; tests/run installs it"
            );
            return None;
        };
        let port = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut server = Self { dir: tempfile::tempdir().unwrap(), program, port, process: None };
        let store = server.dir.path().join("js");
        let config = format!(
            "listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: {store:?}, max_mem: 16MB, max_file: 512MB }}\n{more}\n"
        );
        std::fs::write(server.dir.path().join("nats.conf"), config).unwrap();
        server.revive().await;
        Some(server)
    }

    pub(super) async fn revive(&mut self) {
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(self.dir.path().join("nats.conf"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.process = Some(command.spawn().unwrap());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        within("the NATS server", ask(|| async { tokio::net::TcpStream::connect(address).await.ok() })).await;
    }

    /// SIGKILL, and waits for the end.
    pub(super) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    pub(super) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}
