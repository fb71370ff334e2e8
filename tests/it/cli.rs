//! The command line as programs use it: the real binary, real daemons, real signals.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Instant,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::LIMIT;

/// A home that is used by the real binary.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
    shared: PathBuf,
}

/// A `skcomm daemon`, killed when dropped.
pub(crate) struct Daemon(pub(crate) Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Daemon {
    /// `kill -9`.
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// SIGTERM, and its exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Place {
    fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skcomm"));
        command.env_clear().env("SKCOMM_HOME", self.home()).env("HOME", self.dir.path());
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs a command that must succeed; its output.
    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The objects that a command prints with --json, and its exit code.
    pub(crate) fn json(&self, args: &[&str]) -> (i32, Vec<Value>) {
        let output = self.run(&[args, &["--json"]].concat());
        (output.status.code().unwrap(), objects(&output))
    }

    pub(crate) fn feed(&self, args: &[&str], input: &[u8]) -> Output {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // It may refuse before it read everything.
        let _ = stdin.write_all(input);
        drop(stdin);
        child.wait_with_output().unwrap()
    }

    /// A daemon that answers.
    pub(crate) fn daemon(&self) -> Daemon {
        let mut child = self.command(&["daemon", "--json"]).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("\"ready\""), "{line:?} {:?}", child.wait());
        Daemon(child)
    }

    fn listening(&self) -> String {
        until("tcp listens", || {
            let (_, all) = self.json(&["transport", "list"]);
            let tcp = all.into_iter().find(|transport| transport["transport"] == "tcp")?;
            tcp["address"].as_str().map(str::to_owned)
        })
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        let (_, all) = self.json(&["history", "--limit", "10000"]);
        let incoming = all.iter().filter(|message| message["state"] == "received");
        incoming.map(|message| message["content"].as_str().unwrap().to_owned()).collect()
    }
}

fn objects(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))).collect()
}

pub(crate) fn error(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().last().unwrap_or_else(|| panic!("{output:?}"));
    serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))
}

pub(crate) fn until<T>(why: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(start.elapsed() < LIMIT, "waited in vain: {why}");
    }
}

/// A home with an identity that receives in a shared folder and over tcp.
fn place(name: &str, shared: &Path) -> Place {
    place_in(tempfile::tempdir().unwrap(), name, shared)
}

/// The same in a folder of the caller's choice.
pub(crate) fn place_in(dir: TempDir, name: &str, shared: &Path) -> Place {
    let place = Place { dir, shared: shared.to_owned() };
    let folder = shared.to_str().unwrap();
    place.ok(&["init", "--name", name, "--no-passphrase", "--listen", "127.0.0.1:0", "--folder", folder]);
    place
}

/// `who` gets to know `whom`.
pub(crate) fn introduce(who: &Place, whom: &Place, name: &str, tcp: Option<&str>) {
    let key = whom.dir.path().join("me.asc");
    std::fs::copy(whom.home().join("identity/public.asc"), &key).unwrap();
    let file = format!("file={}", who.shared.display());
    let tcp = tcp.map(|address| format!("tcp={address}"));
    let mut args = vec!["peer", "add", "--name", name, "--pubkey", key.to_str().unwrap(), "--route", &file];
    if let Some(tcp) = &tcp {
        args.extend(["--route", tcp]);
    }
    who.ok(&args);
}

/// Two homes that know each other over a shared folder, and their folder.
pub(crate) fn pair() -> (TempDir, Place, Place) {
    let shared = tempfile::tempdir().unwrap();
    let (opus, lumina) = (place("Opus", shared.path()), place("Lumina", shared.path()));
    introduce(&opus, &lumina, "Lumina", None);
    introduce(&lumina, &opus, "Opus", None);
    (shared, opus, lumina)
}

#[test]
fn a_message_between_two_daemons_is_delivered_and_printed() {
    let (_shared, opus, lumina) = pair();
    let (_a, _b) = (opus.daemon(), lumina.daemon());
    introduce(&opus, &lumina, "Lumina", Some(&lumina.listening()));
    let (code, sent) = opus.json(&["send", "--to", "Lumina", "--thread", "plans", "--wait", "20", "hello\u{1b}[31m"]);
    assert_eq!(code, 0, "{sent:?}");
    assert_eq!(sent[0]["state"], "delivered");
    assert!(sent[0]["latency_ms"].is_u64() && sent[0]["reason"].is_null());
    assert!(["file", "tcp"].contains(&sent[0]["via"].as_str().unwrap()));
    let tried = &sent[0]["attempts"];
    let told = [(&tried[0]["number"], &Value::from(1)), (&tried[0]["via"], &sent[0]["via"])];
    assert!(told.iter().all(|(found, expected)| found == expected), "{tried}");
    assert!(["acked", "running", "accepted"].contains(&tried[0]["outcome"].as_str().unwrap()), "{tried}");
    let last = until("the ledger is whole", || {
        let explained = opus.json(&["route", "explain", "Lumina"]).1.remove(0);
        let attempt = &explained["last"]["attempts"][0];
        (attempt["outcome"] == "acked" && attempt["took_ms"].is_u64()).then(|| explained["last"].clone())
    });
    let attempt = &last["attempts"][0];
    for field in ["number", "via", "started", "ended", "took_ms", "bytes", "ack_via"] {
        assert!(!attempt[field].is_null(), "{field} in {attempt}");
    }
    assert!(attempt["reason"].is_null() && attempt["bytes"].as_u64() > Some(0), "{attempt}");
    let id = sent[0]["envelope_id"].as_str().unwrap();
    assert_eq!(opus.json(&["history"]).1[0]["attempts"], last["attempts"]);
    assert_eq!(opus.json(&["trace", id]).1[0]["attempts"], last["attempts"]);
    assert_eq!(opus.json(&["search", "hello"]).1[0]["attempts"], last["attempts"]);
    let explained = String::from_utf8(opus.run(&["route", "explain", "Lumina"]).stdout).unwrap();
    assert!(explained.contains("last message") && explained.contains("delivered, ack after"), "{explained}");

    let (code, peeked) = lumina.json(&["receive", "--peek"]);
    assert_eq!((code, peeked.len()), (0, 1));
    assert_eq!(peeked[0]["attempts"], Value::Array(Vec::new()), "its sender made them");
    assert_eq!(lumina.json(&["search", "hello"]).1[0]["attempts"], Value::Array(Vec::new()), "its sender made them");
    let (_, received) = lumina.json(&["receive"]);
    let message = &received[0];
    for field in ["envelope_id", "thread_id", "in_reply_to", "from", "to", "type", "content", "timestamp", "state"] {
        assert!(message.get(field).is_some(), "{field} in {message}");
    }
    for field in ["via", "latency_ms", "reason"] {
        assert!(message.get(field).is_some(), "{field} in {message}");
    }
    assert_eq!(message["envelope_id"], sent[0]["envelope_id"]);
    assert_eq!((&message["from"], &message["to"]), (&"Opus".into(), &"Lumina".into()));
    assert_eq!((&message["type"], &message["thread_id"]), (&"message".into(), &"plans".into()));
    assert!(
        message["content"].as_str().unwrap().starts_with("hello") && !message["content"].to_string().contains('\u{1b}')
    );
    assert!(lumina.json(&["receive"]).1.is_empty(), "read messages are not printed again");

    let id = message["envelope_id"].as_str().unwrap();
    let (code, replied) = lumina.json(&["send", "--to", "Opus", "--reply-to", id, "--wait", "20", "and hello"]);
    assert_eq!((code, &replied[0]["in_reply_to"]), (0, &message["envelope_id"]));
    let (_, found) = opus.json(&["search", "AND", "hello"]);
    assert_eq!(found.len(), 1, "{found:?}");
    let (_, thread) = opus.json(&["history", "--thread", "plans"]);
    assert_eq!(thread.len(), 1);
    assert_eq!(opus.json(&["trace", id]).1[0]["message"]["envelope_id"], message["envelope_id"]);
}

#[test]
fn without_daemons_messages_wait_in_the_outbox_and_arrive_later() {
    let (_shared, opus, lumina) = pair();
    // Nobody watches the folder: accepted, not delivered.
    let (code, sent) = opus.json(&["send", "--to", "Lumina", "--wait", "1", "are you there?"]);
    assert_eq!(code, 3, "{sent:?}");
    let (_, waiting) = opus.json(&["queue", "list"]);
    assert_eq!(waiting.len(), 1);
    let attempt = &waiting[0]["attempts"][0];
    assert_eq!((&attempt["number"], &attempt["via"]), (&1.into(), &"file".into()), "{attempt}");
    assert!(["running", "accepted"].contains(&attempt["outcome"].as_str().unwrap()), "{attempt}");
    assert!(attempt["ack_via"].is_null(), "{attempt}");
    let (_, received) = lumina.json(&["receive", "--wait", "20"]);
    assert_eq!(received.len(), 1);
    let _daemon = (opus.daemon(), lumina.daemon());
    until("the ack came", || opus.json(&["queue", "list"]).1.is_empty().then_some(()));
}

#[test]
fn refusals_have_their_codes_and_say_what_to_do() {
    let (_shared, opus, lumina) = pair();
    let unknown = opus.run(&["send", "--to", "Nobody", "--json", "hi"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert_eq!(error(&unknown)["error"], "not_found");
    assert!(error(&unknown)["message"].as_str().unwrap().contains("Nobody"), "{unknown:?}");
    opus.ok(&["peer", "block", "Lumina"]);
    let blocked = opus.run(&["send", "--to", "Lumina", "--json", "hi"]);
    assert_eq!((blocked.status.code(), &error(&blocked)["error"]), (Some(4), &"refused".into()));
    opus.ok(&["peer", "unblock", "Lumina"]);

    opus.ok(&["peer", "add", "--name", "Keyless"]);
    let (code, held) = opus.json(&["send", "--to", "Keyless", "hi"]);
    assert_eq!((code, &held[0]["state"], &held[0]["reason"]["kind"]), (3, &"held".into(), &"no_key".into()));
    assert_eq!(opus.json(&["queue", "list"]).1[0]["attempts"], Value::Array(Vec::new()), "nobody tried");

    for usage in
        [&["send", "--json"][..], &["explode", "--json"], &["send", "--to", "x", "--mode", "smoke", "hi", "--json"]]
    {
        let output = opus.run(usage);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(error(&output)["error"], "usage");
    }
    assert_eq!(lumina.run(&["--version"]).status.code(), Some(0));
}

#[test]
fn the_passphrase_comes_from_a_file_and_must_be_right() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place { shared: dir.path().to_owned(), dir };
    let (good, bad) = (place.shared.join("good"), place.shared.join("bad"));
    std::fs::write(&good, "correct horse\nsecond line\n").unwrap();
    std::fs::write(&bad, "wrong horse\n").unwrap();
    let (good, bad) = (good.to_str().unwrap(), bad.to_str().unwrap());
    let none = place.run(&["init", "--name", "Opus", "--json"]);
    assert_eq!((none.status.code(), &error(&none)["error"]), (Some(1), &"passphrase".into()));
    place.ok(&["init", "--name", "Opus", "--passphrase-file", good]);
    let again = place.run(&["init", "--name", "Opus", "--passphrase-file", good, "--json"]);
    assert_eq!((again.status.code(), &error(&again)["error"]), (Some(1), &"exists".into()));
    place.ok(&["status", "--passphrase-file", good]);
    for args in [&["status", "--json"][..], &["status", "--json", "--passphrase-file", bad]] {
        let output = place.run(args);
        assert_eq!((output.status.code(), &error(&output)["error"]), (Some(1), &"passphrase".into()), "{output:?}");
    }
    assert!(place.ok(&["identity"]).contains("Opus"), "needs no passphrase");
}

#[test]
fn a_revoked_key_reaches_a_peer_by_import_and_is_written_to_no_more() {
    let (_shared, opus, lumina) = pair();
    let revoked = lumina.dir.path().join("revoked.asc");
    let revoked = revoked.to_str().unwrap();
    let unsure = lumina.run(&["keys", "revoke", "--json"]);
    assert_eq!((unsure.status.code(), &error(&unsure)["error"]), (Some(1), &"input".into()));
    lumina.ok(&["keys", "revoke", "--yes", "-o", revoked]);
    assert!(lumina.ok(&["identity"]).contains("revoked"));
    opus.ok(&["keys", "import", revoked, "--name", "Lumina"]);
    let output = opus.run(&["send", "--to", "Lumina", "--json", "hi"]);
    assert_eq!((output.status.code(), &error(&output)["error"]), (Some(4), &"refused".into()), "{output:?}");
}

#[test]
fn a_bad_relay_address_is_refused_before_anything_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place { shared: dir.path().to_owned(), dir };
    let output = place.run(&["init", "--name", "Opus", "--no-passphrase", "--relay", "https://x", "--json"]);
    assert_eq!((output.status.code(), &error(&output)["error"]), (Some(1), &"input".into()));
    assert!(!place.home().exists());
}

#[test]
fn following_prints_what_comes_and_a_closed_pipe_is_no_error() {
    let (_shared, opus, lumina) = pair();
    let (_a, _b) = (opus.daemon(), lumina.daemon());
    let mut follower = lumina.command(&["receive", "--follow", "--json"]).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap());
    for text in ["one", "two"] {
        opus.ok(&["send", "--to", "Lumina", "--wait", "20", text]);
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["content"], text);
    }
    drop(lines);
    opus.ok(&["send", "--to", "Lumina", "--wait", "20", "three"]);
    let output = follower.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()), "{output:?}");
}

#[test]
fn the_relay_says_where_it_listens_and_stops_at_a_signal() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place { shared: dir.path().to_owned(), dir };
    let mut child = place.command(&["serve", "--listen", "127.0.0.1:0", "--json"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let said: Value = serde_json::from_str(&line).unwrap();
    assert!(said["url"].as_str().unwrap().starts_with("ws://127.0.0.1:"));
    assert_eq!(Daemon(child).terminate(), Some(0));
}

#[test]
#[cfg(not(feature = "nats"))]
fn a_relay_without_nats_says_how_to_build_it_in() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place { shared: dir.path().to_owned(), dir };
    let output = place.run(&["serve", "--listen", "127.0.0.1:0", "--store", "nats://127.0.0.1", "--json"]);
    assert_eq!((output.status.code(), &error(&output)["error"]), (Some(1), &"relay".into()));
    assert!(error(&output)["message"].as_str().unwrap().contains("--features nats"));
}

#[test]
fn a_broken_configuration_names_file_and_line() {
    let shared = tempfile::tempdir().unwrap();
    let opus = place("Opus", shared.path());
    let path = opus.home().join("config.yml");
    std::fs::write(&path, "identity:\n  name: Opus\n  nmae: x\n").unwrap();
    let output = opus.run(&["status", "--json"]);
    let message = error(&output)["message"].as_str().unwrap().to_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(message.contains("config.yml:3") && message.contains("nmae"), "{message}");
}

#[test]
fn a_second_daemon_is_told_who_holds_the_home_and_a_signal_stops_the_first() {
    let shared = tempfile::tempdir().unwrap();
    let opus = place("Opus", shared.path());
    let first = opus.daemon();
    let second = opus.run(&["daemon", "--json"]);
    assert_eq!((second.status.code(), &error(&second)["error"]), (Some(1), &"in_use".into()));
    assert!(error(&second)["message"].as_str().unwrap().contains(&first.0.id().to_string()));
    assert_eq!(first.terminate(), Some(0));
    assert!(std::fs::read_to_string(opus.home().join("logs/skcomm.log")).unwrap().contains("stopped"));
    opus.ok(&["status"]);
}

#[test]
fn fifty_lines_arrive_in_order_and_once() {
    let (_shared, opus, lumina) = pair();
    let (_a, _b) = (opus.daemon(), lumina.daemon());
    introduce(&opus, &lumina, "Lumina", Some(&lumina.listening()));
    let lines: Vec<String> = (0..50).map(|n| format!("line {n}")).collect();
    let input = lines.join("\n") + "\n\n";
    let output = opus.feed(&["send", "--to", "Lumina", "--lines", "--wait", "20", "--json", "-"], input.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let reported = objects(&output);
    let contents: Vec<&str> = reported.iter().map(|message| message["content"].as_str().unwrap()).collect();
    assert_eq!(contents, lines, "reported in order");
    assert_eq!(lumina.texts(), lines);
}

#[test]
fn too_much_text_is_refused_and_the_line_is_named() {
    let (_shared, opus, _lumina) = pair();
    let long = vec![b'x'; 1024 * 1024 + 1];
    let output = opus.feed(&["send", "--to", "Lumina", "--json", "-"], &long);
    assert_eq!((output.status.code(), &error(&output)["error"]), (Some(1), &"input".into()));
    let input = [b"short\n".as_slice(), &long, b"\nnever sent\n"].concat();
    let output = opus.feed(&["send", "--to", "Lumina", "--lines", "--wait", "0", "--json", "-"], &input);
    assert_eq!((output.status.code(), &error(&output)["error"]), (Some(1), &"line".into()));
    assert!(error(&output)["message"].as_str().unwrap().starts_with("line 2: "), "{output:?}");
    assert_eq!(objects(&output).len(), 1);
    assert_eq!(opus.json(&["queue", "list"]).1.len(), 1);
}

/// Sends lines, kills a daemon after some of them, and starts it anew.
fn lines_through_a_kill(kill_sender: bool) {
    let (_shared, opus, lumina) = pair();
    let (a, b) = (opus.daemon(), lumina.daemon());
    let lines: Vec<String> = (0..60).map(|n| format!("line {n}")).collect();
    let args = ["send", "--to", "Lumina", "--lines", "--wait", "20", "--json", "-"];
    let mut child = opus.command(&args).stdin(Stdio::piped()).spawn().unwrap();
    let (mut input, mut reports) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let (before, after) = lines.split_at(30);
    input.write_all((before.join("\n") + "\n").as_bytes()).unwrap();
    let mut first = String::new();
    reports.read_line(&mut first).unwrap();
    let _living = if kill_sender {
        // The command takes over what its daemon left.
        a.kill();
        vec![b]
    } else {
        b.kill();
        vec![a, lumina.daemon()]
    };
    input.write_all((after.join("\n") + "\n").as_bytes()).unwrap();
    drop(input);
    let mut rest = String::new();
    reports.read_to_string(&mut rest).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 3)), "{output:?}");
    assert_eq!(1 + rest.lines().count(), 60, "each line is reported once: {output:?}");
    let _again = kill_sender.then(|| opus.daemon());
    let mut all = lines.clone();
    all.sort();
    let mut arrived = until("all lines arrived", || {
        let texts = lumina.texts();
        (texts.len() >= 60).then_some(texts)
    });
    arrived.sort();
    assert_eq!(arrived, all, "nothing lost, nothing doubled");
}

#[test]
fn killing_the_senders_daemon_loses_and_doubles_nothing() {
    lines_through_a_kill(true);
}

#[test]
fn killing_the_recipients_daemon_loses_and_doubles_nothing() {
    lines_through_a_kill(false);
}

#[test]
fn a_new_folder_in_a_route_is_watched_from_then_on() {
    let (_shared, opus, lumina) = pair();
    let other = tempfile::tempdir().unwrap();
    let _daemon = lumina.daemon();
    let route = format!("file={}", other.path().display());
    let output = lumina.run(&["peer", "add", "--name", "Opus", "--route", &route]);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("now receives in"), "{output:?}");
    opus.ok(&["peer", "remove", "Lumina"]);
    let key = lumina.home().join("identity/public.asc");
    opus.ok(&["peer", "add", "--name", "Lumina", "--pubkey", key.to_str().unwrap(), "--route", &route]);
    let (code, sent) = opus.json(&["send", "--to", "Lumina", "--wait", "20", "over there"]);
    assert_eq!(code, 0, "{sent:?}");
}

#[test]
fn man_page_and_completions_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    let shells = [
        (clap_complete::Shell::Bash, "completions/skcomm.bash"),
        (clap_complete::Shell::Zsh, "completions/_skcomm"),
        (clap_complete::Shell::Fish, "completions/skcomm.fish"),
    ];
    let mut files: Vec<(&str, Vec<u8>)> =
        shells.map(|(shell, path)| (path, skcomm_tui::cli::completions(shell))).into_iter().collect();
    files.push(("man/skcomm.1", skcomm_tui::cli::man().unwrap()));
    for (path, made) in files {
        let path = root.join(path);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &made).unwrap();
        }
        let kept = std::fs::read(&path).unwrap_or_default();
        assert!(kept == made, "{} is out of date; run the tests with UPDATE=1", path.display());
    }
}
