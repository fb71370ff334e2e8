//! A server in operator mode: accounts and users are JWTs, a user shows a `.creds` file. All keys are made here.

use std::{os::unix::fs::PermissionsExt as _, path::Path};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nkeys::KeyPair;
use serde_json::{Value, json};
use skcomm_tui::delivery::ReasonKind;

use super::{Bare, Nats};

/// What nsc would keep: an operator, an account for the realm, and the account of the system.
struct Operator {
    operator: KeyPair,
    account: KeyPair,
    system: KeyPair,
}

impl Operator {
    fn new() -> Self {
        Self { operator: KeyPair::new_operator(), account: KeyPair::new_account(), system: KeyPair::new_account() }
    }

    /// The server's configuration; the users in `revoked` are let in no more.
    fn config(&self, revoked: &[&KeyPair]) -> String {
        let (operator, account, system) =
            (self.operator.public_key(), self.account.public_key(), self.system.public_key());
        let revoked: serde_json::Map<String, Value> =
            revoked.iter().map(|user| (user.public_key(), json!(now()))).collect();
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1,
            "leaf": -1, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
        });
        let of = |key: &str, nats: Value| token(&self.operator, key, None, nats);
        let root = of(&operator, json!({ "type": "operator", "version": 2, "system_account": system }));
        let realm = json!({ "type": "account", "version": 2, "limits": limits, "revocations": revoked });
        let bare = json!({ "type": "account", "version": 2, "limits": { "subs": -1, "conn": -1, "data": -1,
            "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "leaf": -1 } });
        format!(
            "operator: {root}\nsystem_account: {system}\nresolver: MEMORY\n\
             resolver_preload: {{ {account}: {}\n {system}: {} }}",
            of(&account, realm),
            of(&system, bare)
        )
    }
}

/// A user of `account` with a time until which it is valid.
fn user(account: &KeyPair, user: &KeyPair, expires: Option<u64>) -> String {
    let nats = json!({ "type": "user", "version": 2, "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1 });
    token(account, &user.public_key(), expires, nats)
}

/// A JWT that `issuer` has signed.
fn token(issuer: &KeyPair, subject: &str, expires: Option<u64>, nats: Value) -> String {
    let mut claims = json!({
        "jti": subject, "iat": now() - 60, "iss": issuer.public_key(), "name": "test", "sub": subject, "nats": nats,
    });
    if let Some(expires) = expires {
        claims["exp"] = json!(expires);
    }
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&json!({ "typ": "JWT", "alg": "ed25519-nkey" })), encode(&claims));
    let signature = issuer.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// A `.creds` file of that name.
fn creds(folder: &Path, name: &str, jwt: &str, key: &KeyPair) -> String {
    let path = folder.join(name);
    let seed = key.seed().unwrap();
    let text = format!(
        "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn a_creds_file_lets_in_its_user_and_nobody_else() {
    let (operator, dir) = (Operator::new(), tempfile::tempdir().unwrap());
    let Some(mut nats) = Nats::start(&operator.config(&[])).await else { return };
    let (alice, bob, mallory) = (KeyPair::new_user(), KeyPair::new_user(), KeyPair::new_user());
    let config = |name: &str, jwt: String, key: &KeyPair| {
        nats.config().with("creds_file", creds(dir.path(), name, &jwt, key)).with("connect_seconds", 5)
    };
    let alices = config("alice.creds", user(&operator.account, &alice, None), &alice);
    let bobs = config("bob.creds", user(&operator.account, &bob, Some(now() + 3600)), &bob);
    let (mut one, mut two) = (Bare::start(1, &alices).await, Bare::start(2, &bobs).await);
    one.up().await;
    two.up().await;
    one.send("for bob", 2).await.unwrap();
    let inbound = two.inbound("the frame").await;
    assert_eq!(inbound.frame, "for bob");
    inbound.receipt.durable();

    let another = KeyPair::new_account();
    for (name, wrong) in [
        ("signed by an account that the server does not know", user(&another, &mallory, None)),
        ("signed by the user itself", user(&mallory, &mallory, None)),
        ("expired", user(&operator.account, &mallory, Some(now() - 10))),
        ("somebody else's, without the key", user(&operator.account, &alice, None)),
        ("no JWT", "x.y.z".to_owned()),
    ] {
        let mut node = Bare::start(3, &config("mallory.creds", wrong, &mallory)).await;
        let reason = node.down().await;
        assert_eq!(reason.kind, ReasonKind::AuthRefused, "{name}: {reason}");
        assert!(reason.to_string().to_lowercase().contains("auth"), "{name}: {reason}");
        node.transport.stop().await;
    }

    // Bob's key was lost: the account revokes it.
    nats.kill();
    nats.configure(&operator.config(&[&bob]));
    nats.revive().await;
    let mut revoked = Bare::start(2, &bobs).await;
    let reason = revoked.down().await;
    assert_eq!(reason.kind, ReasonKind::AuthRefused, "{reason}");
    assert!(reason.to_string().contains("credentials"), "it says what to do: {reason}");
    let mut other = Bare::start(1, &alices).await;
    other.up().await;
}
