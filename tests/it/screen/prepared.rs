//! A home for tests of the screen.

use skcomm_tui::{
    home::Home,
    identity::TrustLevel,
    node::{Command, NewIdentity, Node, NodeHandle, PeerAdd, Reply, create_identity, unlock_identity},
    pgp::{Certificate, Passphrase, SecretKey},
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::WIDE;
use crate::{support::until, terminal::Terminal};

/// A home of opus, who knows lumina but has no way to her: messages wait.
pub(crate) struct Prepared {
    pub(super) place: TempDir,
    pub(super) home: Home,
    pub(crate) runtime: Runtime,
}

impl Prepared {
    pub(super) fn new(passphrase: Option<&str>) -> Self {
        let runtime = Runtime::new().unwrap();
        let place = tempfile::tempdir().unwrap();
        let home = Home::at(place.path().join("home"));
        let passphrase = passphrase.map(|text| Passphrase::new(text.as_bytes().to_vec()));
        let opus = identity(&home, "opus", passphrase.as_ref());
        let elsewhere = Home::at(place.path().join("elsewhere"));
        let certificate = identity(&elsewhere, "lumina", None).certificate().armored();
        let known = home.clone();
        runtime.block_on(async move {
            let node = Node::start(known, opus).unwrap();
            let peer = PeerAdd { name: "lumina".to_owned(), certificate: Some(certificate), ..PeerAdd::default() };
            node.handle().call(Command::PeerAdd(peer)).await.unwrap();
            let trust = Command::TrustSet { peer: "lumina".to_owned(), level: TrustLevel::Verified };
            node.handle().call(trust).await.unwrap();
            node.stop().await.unwrap();
        });
        Self { place, home, runtime }
    }

    /// The same with a listener for strangers.
    pub(crate) fn listening() -> Self {
        let prepared = Self::new(None);
        prepared.home.save_transport(&"tcp".parse().unwrap(), &crate::support::tcp()).unwrap();
        prepared
    }

    /// The key of lumina, whom opus knows.
    pub(super) fn lumina(&self) -> SecretKey {
        unlock_identity(&Home::at(self.place.path().join("elsewhere")), None).unwrap()
    }

    /// Where the running program listens, and its certificate.
    pub(crate) fn reachable(&self) -> (String, Certificate) {
        let node = self.node();
        self.runtime.block_on(async {
            let address = until("it listens", || async {
                let Ok(Reply::Transports(all)) = node.call(Command::Transports).await else { return None };
                all.into_iter().find_map(|transport| transport.address).map(|address| address.to_string())
            });
            let address = address.await;
            let Ok(Reply::Certificate(own)) = node.call(Command::KeyExport { peer: None }).await else { panic!() };
            (address, Certificate::parse(own.as_bytes()).unwrap())
        })
    }

    pub(super) fn start(&self) -> Terminal {
        self.start_with(&[])
    }

    pub(super) fn start_with(&self, environment: &[(&str, &str)]) -> Terminal {
        Terminal::start_with(self.place.path(), WIDE, &["--home", self.home.root().to_str().unwrap()], environment)
    }

    /// Starts it and goes to lumina's composer.
    pub(crate) fn start_writing(&self) -> Terminal {
        self.write_to_lumina(self.start())
    }

    pub(super) fn write_to_lumina(&self, mut screen: Terminal) -> Terminal {
        screen.wait_for(&["lumina"]);
        screen.keys("\x0b");
        screen.wait_until("the switcher", |grid| grid.has("> "));
        screen.keys("lumina\r");
        screen.wait_for(&["lumina / general", "verified"]);
        screen.keys("\x1b3");
        screen.wait_for(&["Enter send"]);
        screen
    }

    /// The node inside the program, over its control socket.
    pub(crate) fn node(&self) -> NodeHandle {
        let socket = self.home.socket_path();
        self.runtime.block_on(until("the control socket", || async { NodeHandle::connect(&socket).await.ok() }))
    }

    /// How many messages wait.
    pub(crate) fn waiting(&self) -> usize {
        let node = self.node();
        match self.runtime.block_on(node.call(Command::Status)) {
            Ok(Reply::Status(status)) => status.queued,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn wait_for_draft(&self, text: &str) {
        let node = self.node();
        self.runtime.block_on(until("the draft is saved", || async {
            let Ok(Reply::Drafts(drafts)) = node.call(Command::Drafts).await else { return None };
            drafts.iter().any(|(_, draft)| draft == text).then_some(())
        }));
    }
}

fn identity(home: &Home, name: &str, passphrase: Option<&Passphrase>) -> SecretKey {
    let identity = NewIdentity { name: name.to_owned(), email: None, fqid: None };
    create_identity(home, &identity, passphrase, &[]).unwrap()
}
