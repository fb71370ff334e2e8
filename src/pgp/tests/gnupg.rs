//! GnuPG reads what we write, and the other way round. Skipped, and said so, where `gpg` is missing.

use std::{
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use super::{ALICE, BOB, now};
use crate::{
    pgp::{Certificate, Passphrase, PgpError, Protection, SecretKey, open, seal, sign_detached, verify_detached},
    wire::Timestamp,
};

/// A GnuPG home of its own, on the same clock as the tests, which stops its agent when it goes.
struct Gpg(tempfile::TempDir);

impl Gpg {
    /// None, loudly, if there is no `gpg` to run.
    fn new() -> Option<Self> {
        let found = Command::new("gpg").arg("--version").stdout(Stdio::null()).status().is_ok_and(|s| s.success());
        if !found {
            // Past the capture of the test harness: a skipped test must be seen.
            let text = b"SKIPPED: interoperability with GnuPG was not tested, there is no gpg on this machine\n";
            std::io::stderr().write_all(text).unwrap();
            return None;
        }
        // The name of the agent's socket has to be short.
        let home = tempfile::Builder::new().prefix("g").tempdir().unwrap();
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        Some(Self(home))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = Command::new("gpg")
            .arg("--homedir")
            .arg(self.path())
            .args(["--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback"])
            .args(["--status-fd", "2", "--faked-system-time", "20261120T180000", "--passphrase", "secret"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    }

    fn ok(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let output = self.run(arguments, input);
        assert!(output.status.success(), "gpg {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Makes a key as an ordinary user of GnuPG has it and gives its certificate.
    fn make_key(&self, name: &str) -> Certificate {
        let id = format!("{name} <{name}@example.net>");
        self.ok(&["--quick-gen-key", &id, "future-default", "default", "never"], b"");
        Certificate::parse(&self.ok(&["--export", "--armor", name], b"")).unwrap()
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let kill = Command::new("gpgconf").arg("--homedir").arg(self.path()).args(["--kill", "all"]).status();
        drop(kill);
    }
}

/// An hour after `now()`, the clock GnuPG is told.
fn gpg_now() -> Timestamp {
    now().plus_ms(3_600_000)
}

#[test]
fn gnupg_reads_what_we_write() {
    let Some(gpg) = Gpg::new() else { return };
    let grace = gpg.make_key("grace");
    gpg.ok(&["--import"], ALICE.certificate().armored().as_bytes());
    let sealed = seal(&ALICE, &grace, b"hello, Grace", gpg_now()).unwrap();
    let output = gpg.run(&["--decrypt"], sealed.as_bytes());
    let status = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.stdout, b"hello, Grace", "{status}");
    assert!(status.contains("GOODSIG") && status.contains("GOODMDC"), "{status}");

    let signature = sign_detached(&ALICE, b"challenge", gpg_now()).unwrap();
    let (data, file) = (gpg.path().join("data"), gpg.path().join("data.asc"));
    std::fs::write(&data, b"challenge").unwrap();
    std::fs::write(&file, &signature).unwrap();
    gpg.ok(&["--verify", file.to_str().unwrap(), data.to_str().unwrap()], b"");
    std::fs::write(&data, b"challengE").unwrap();
    assert!(!gpg.run(&["--verify", file.to_str().unwrap(), data.to_str().unwrap()], b"").status.success());
}

#[test]
fn gnupg_imports_our_private_key_and_revocation() {
    let Some(gpg) = Gpg::new() else { return };
    let sealed = seal(&BOB, ALICE.certificate(), b"hello, Alice", gpg_now()).unwrap();
    let private = ALICE.export(Some(&Passphrase::new("secret")), Protection::Compatible).unwrap();
    gpg.ok(&["--import"], private.as_bytes());
    gpg.ok(&["--import"], BOB.certificate().armored().as_bytes());
    assert_eq!(gpg.ok(&["--decrypt"], sealed.as_bytes()), b"hello, Alice");
    let listing = String::from_utf8(gpg.ok(&["--list-secret-keys", "--with-colons"], b"")).unwrap();
    assert!(listing.contains(&ALICE.fingerprint().to_string()), "{listing}");

    let revocation = crate::pgp::revoke(&ALICE, Default::default(), "test", gpg_now()).unwrap();
    gpg.ok(&["--import"], revocation.as_bytes());
    let revoked = Certificate::parse(&gpg.ok(&["--export", &ALICE.fingerprint().to_string()], b"")).unwrap();
    assert!(revoked.is_revoked());
}

#[test]
fn we_read_what_gnupg_writes() {
    let Some(gpg) = Gpg::new() else { return };
    let grace = gpg.make_key("grace");
    assert!(grace.check_usable(gpg_now()).is_ok());
    gpg.ok(&["--import"], ALICE.certificate().armored().as_bytes());

    let signature = gpg.ok(&["--detach-sign", "--armor", "-u", "grace"], b"challenge");
    verify_detached(&grace, b"challenge", &signature, gpg_now()).unwrap();
    assert_eq!(verify_detached(&grace, b"other", &signature, gpg_now()).unwrap_err(), PgpError::BadSignature);

    // GnuPG 2.2 says nothing about the intended recipient, which is the last thing we look at: everything before
    // it, decryption, grammar and signature, has passed.
    let recipient = ALICE.fingerprint().to_string();
    let encrypt =
        ["--trust-model", "always", "--encrypt", "--sign", "-u", "grace", "-r", &recipient, "--compress-algo", "none"];
    let message = gpg.ok(&encrypt, b"hello, Alice");
    assert_eq!(open(&ALICE, &grace, &message, 99, gpg_now()).unwrap_err(), PgpError::NoIntendedRecipient);
    assert_eq!(open(&ALICE, BOB.certificate(), &message, 99, gpg_now()).unwrap_err(), PgpError::UnknownSigner);

    let private = gpg.ok(&["--export-secret-keys", "--armor", "grace"], b"");
    let unlocked = SecretKey::unlock(&private, Some(&Passphrase::new("secret")), gpg_now()).unwrap();
    let sealed = seal(&unlocked, ALICE.certificate(), b"as Grace", gpg_now()).unwrap();
    assert_eq!(*open(&ALICE, &grace, sealed.as_bytes(), 99, gpg_now()).unwrap().plaintext, b"as Grace");
}
