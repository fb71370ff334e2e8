//! Real folders: what senders, synchronisers, crashes and strangers leave in them.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::{config::Keep, *};
use crate::transport::{
    Retry, TransportState,
    testing::{Events, LIMIT, fingerprint, wait_until},
};

fn settings(folders: &[&Path]) -> FileSettings {
    let folders: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
    let mut settings = FileSettings::read(&TransportConfig::new("file").with("folders", folders)).unwrap();
    settings.poll = Duration::from_millis(50);
    settings.again = (Duration::from_millis(20), Duration::from_millis(200));
    settings
}

fn transport(settings: FileSettings, who: u8) -> FileTransport {
    FileTransport::new(settings, "file".parse().unwrap(), fingerprint(who))
}

async fn started(settings: FileSettings, who: u8) -> (FileTransport, Events) {
    let transport = transport(settings, who);
    let events = start(&transport, 64).await;
    (transport, events)
}

async fn start(transport: &FileTransport, room: usize) -> Events {
    let (sink, events) = mpsc::channel(room);
    transport.start(sink).await.unwrap();
    let mut events = Events(events);
    events.state("up", |state| *state == TransportState::Up).await;
    events
}

/// A shared folder, a sender (1) that only sends, and the mailbox of the recipient (2).
async fn room() -> (TempDir, FileTransport, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (sender, _events) = started(settings(&[]), 1).await;
    let mailbox = folder.path().join(fingerprint(2).to_string());
    (folder, sender, mailbox)
}

fn route(folder: &Path, who: u8) -> Route {
    Route { recipient: fingerprint(who), address: folder.display().to_string() }
}

fn frame(number: usize) -> Bytes {
    Bytes::from(format!("{{\"n\":{number}}}"))
}

/// The names in `dir`, sorted; none when there is no such folder.
fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn messages(dir: &Path) -> Vec<String> {
    names(dir).into_iter().filter(|name| name.ends_with(".skc.json")).collect()
}

/// A name of a whole message that sorts at place `n`.
fn named(n: usize) -> String {
    format!("1795196{n:06}-0000deadbeef0123.skc.json")
}

#[tokio::test]
async fn a_frame_is_a_whole_durable_file_and_goes_when_the_node_has_it() {
    let (folder, sender, mailbox) = room().await;
    let accepted = sender.send(frame(1), &route(folder.path(), 2), LIMIT).await.unwrap();
    assert_eq!(accepted.stored_by.unwrap().as_str(), folder.path().display().to_string());
    let [name] = &messages(&mailbox)[..] else { panic!("one file") };
    assert!(name::is_message(name.as_bytes()));
    assert_eq!(names(&mailbox).len(), 1, "nothing temporary is left");
    assert_eq!(fs::read(mailbox.join(name)).unwrap(), frame(1));
    assert_eq!(fs::metadata(mailbox.join(name)).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&mailbox).unwrap().mode() & 0o777, 0o700);

    let (receiver, mut events) = started(settings(&[folder.path()]), 2).await;
    let inbound = events.inbound("the file").await;
    assert_eq!(inbound.frame, frame(1));
    assert!(inbound.origin.as_str().ends_with(name.as_str()));
    assert_eq!(messages(&mailbox).len(), 1, "it stays until the node has answered");
    inbound.receipt.durable();
    wait_until("the file is removed", || names(&mailbox).is_empty()).await;
    assert_eq!(receiver.address(), Some(folder.path().display().to_string()));
    receiver.stop().await;
    assert_eq!(receiver.address(), None);
}

#[tokio::test]
async fn shared_folders_are_open_to_the_group_whatever_the_umask() {
    let (folder, _, mailbox) = room().await;
    let (sender, _events) = started(FileSettings { shared: true, ..settings(&[]) }, 1).await;
    sender.send(frame(1), &route(folder.path(), 2), LIMIT).await.unwrap();
    assert_eq!(fs::metadata(&mailbox).unwrap().mode() & 0o777, 0o770);
    assert_eq!(fs::metadata(mailbox.join(&messages(&mailbox)[0])).unwrap().mode() & 0o777, 0o660);
}

#[tokio::test]
async fn news_come_by_notice_long_before_the_next_poll() {
    let (folder, sender, _) = room().await;
    let slow = FileSettings { poll: Duration::from_secs(3600), ..settings(&[folder.path()]) };
    let (_receiver, mut events) = started(slow, 2).await;
    for number in 0..5 {
        sender.send(frame(number), &route(folder.path(), 2), LIMIT).await.unwrap();
        assert_eq!(events.take("a notice").await, frame(number));
    }
}

#[tokio::test]
async fn where_nothing_tells_of_new_files_they_are_found_by_polling() {
    let (folder, sender, _) = room().await;
    let deaf = FileSettings { notify: false, ..settings(&[folder.path()]) };
    let (_receiver, mut events) = started(deaf, 2).await;
    for number in 0..3 {
        sender.send(frame(number), &route(folder.path(), 2), LIMIT).await.unwrap();
        assert_eq!(events.take("a poll").await, frame(number));
    }
}

#[tokio::test]
async fn a_thousand_files_for_two_receivers_arrive_each_once_and_in_order() {
    let (folder, sender, mailbox) = room().await;
    let (first, second) = (route(folder.path(), 2), route(folder.path(), 3));
    let mut sends: FuturesUnordered<_> =
        (0..1000).map(|n| sender.send(frame(n), if n % 2 == 0 { &first } else { &second }, LIMIT)).collect();
    while let Some(result) = sends.next().await {
        result.unwrap();
    }
    for (who, rest) in [(2, 0), (3, 1)] {
        let (receiver, mut events) = started(settings(&[folder.path()]), who).await;
        for n in (rest..1000).step_by(2) {
            assert_eq!(events.take("the next file").await, frame(n));
        }
        wait_until("all are removed", || names(&folder.path().join(fingerprint(who).to_string())).is_empty()).await;
        receiver.stop().await;
        assert!(events.0.recv().await.is_none(), "nothing came twice");
    }
    assert!(names(&mailbox).is_empty());
}

#[tokio::test]
async fn what_is_no_whole_message_is_never_read() {
    let (folder, _, mailbox) = room().await;
    fs::create_dir_all(mailbox.join("archive")).unwrap();
    let others = [
        ".tmp-0123456789abcdef".to_owned(),
        format!(".{}.swp", named(1)),
        format!("{}~", named(1)),
        format!("{}.part", named(1)),
        "1795196000001-0000deadbeef0123.skc.sync-conflict-20261120-170000-ABCDEFG.json".to_owned(),
        "1795196000001-0000deadbeef0123 (conflicted copy 2026-11-20).skc.json".to_owned(),
        "notes.txt".to_owned(),
        format!("archive/{}", named(1)),
    ];
    for name in &others {
        fs::write(mailbox.join(name), b"not a message").unwrap();
    }
    fs::create_dir(mailbox.join(named(2))).unwrap();
    fs::write(mailbox.join("half-written.part"), b"whole now").unwrap();
    let (_receiver, mut events) = started(settings(&[folder.path()]), 2).await;
    fs::rename(mailbox.join("half-written.part"), mailbox.join(named(3))).unwrap();
    let inbound = events.inbound("the renamed file").await;
    assert_eq!(inbound.frame, "whole now");
    inbound.receipt.durable();
    wait_until("only the others are left", || !mailbox.join(named(3)).exists()).await;
    for name in &others {
        assert!(mailbox.join(name).exists(), "{name} was touched");
    }
}

#[tokio::test]
async fn links_pipes_and_giants_are_put_aside_with_a_reason_and_neighbours_arrive() {
    let (folder, _, mailbox) = room().await;
    let secret = folder.path().join("secret");
    fs::write(&secret, b"not yours").unwrap();
    fs::create_dir_all(&mailbox).unwrap();
    symlink(&secret, mailbox.join(named(1))).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        mailbox.join(named(2)),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let giant = fs::File::create(mailbox.join(named(3))).unwrap();
    giant.set_len(limits::ENVELOPE_BYTES as u64 + 1).unwrap();
    fs::write(mailbox.join(named(4)), b"a neighbour").unwrap();
    let (_receiver, mut events) = started(settings(&[folder.path()]), 2).await;
    let reasons = [events.refusal("link").await, events.refusal("pipe").await, events.refusal("giant").await];
    for (reason, wanted) in reasons.iter().zip(["is a link", "is not a regular file", "has 16777217 bytes"]) {
        assert!(reason.to_string().contains(wanted), "{reason}");
    }
    assert_eq!(events.take("the neighbour").await, "a neighbour");
    wait_until("they are aside", || messages(&mailbox).is_empty()).await;
    assert_eq!(names(&mailbox.join("refused")), [named(1), named(2), named(3)]);
    assert_eq!(fs::read(&secret).unwrap(), b"not yours");
}

#[tokio::test]
async fn a_mailbox_that_is_a_link_is_not_followed() {
    let (folder, sender, mailbox) = room().await;
    let elsewhere = tempfile::tempdir().unwrap();
    symlink(elsewhere.path(), &mailbox).unwrap();
    let error = sender.send(frame(1), &route(folder.path(), 2), LIMIT).await.unwrap_err();
    assert_eq!((error.reason.kind, error.retry), (ReasonKind::Io, Retry::Later));
    assert!(names(elsewhere.path()).is_empty());
}

#[tokio::test]
async fn refused_files_are_put_aside_and_never_read_again() {
    let (folder, sender, mailbox) = room().await;
    sender.send(frame(1), &route(folder.path(), 2), LIMIT).await.unwrap();
    let (receiver, mut events) = started(settings(&[folder.path()]), 2).await;
    events.inbound("the file").await.receipt.refused(Reason::new(ReasonKind::Protocol, "nonsense"));
    wait_until("it is aside", || names(&mailbox.join("refused")).len() == 1).await;
    receiver.stop().await;
    let mut events = start(&receiver, 64).await;
    sender.send(frame(2), &route(folder.path(), 2), LIMIT).await.unwrap();
    assert_eq!(events.take("only the second").await, frame(2));
}

#[tokio::test]
async fn a_file_refused_while_somebody_still_writes_to_it_gets_another_chance() {
    let (folder, _, mailbox) = room().await;
    fs::create_dir_all(&mailbox).unwrap();
    fs::write(mailbox.join(named(1)), b"{\"half\":").unwrap();
    let (_receiver, mut events) = started(settings(&[folder.path()]), 2).await;
    let half = events.inbound("the half").await;
    fs::write(mailbox.join(named(1)), b"{\"half\":\"no more\"}").unwrap();
    half.receipt.refused(Reason::new(ReasonKind::Protocol, "cut off"));
    assert_eq!(events.take("the whole").await, "{\"half\":\"no more\"}");
    wait_until("it is done", || messages(&mailbox).is_empty()).await;
    assert!(names(&mailbox.join("refused")).is_empty());
}

#[tokio::test]
async fn an_empty_file_is_waited_for() {
    let (folder, _, mailbox) = room().await;
    fs::create_dir_all(&mailbox).unwrap();
    fs::write(mailbox.join(named(1)), b"").unwrap();
    fs::write(mailbox.join(named(2)), b"second").unwrap();
    let (_receiver, mut events) = started(settings(&[folder.path()]), 2).await;
    assert_eq!(events.take("the one with content").await, "second");
    fs::write(mailbox.join(named(1)), b"first").unwrap();
    assert_eq!(events.take("the other").await, "first");
}

#[tokio::test]
async fn what_the_node_does_not_answer_for_is_kept_and_brought_again() {
    let (folder, sender, mailbox) = room().await;
    for n in 0..3 {
        sender.send(frame(n), &route(folder.path(), 2), LIMIT).await.unwrap();
    }
    let (receiver, mut events) = started(settings(&[folder.path()]), 2).await;
    let pending = [events.inbound("a").await, events.inbound("b").await, events.inbound("c").await];
    let [first, second, third] = pending;
    drop(first.receipt);
    // While the others are pending only the first comes again, however often.
    for _ in 0..3 {
        let again = events.inbound("the first again").await;
        assert_eq!(again.frame, frame(0));
    }
    assert_eq!(messages(&mailbox).len(), 3);
    second.receipt.durable();
    wait_until("the second goes", || messages(&mailbox).len() == 2).await;
    receiver.stop().await;
    // Too late to matter: after a restart what was pending comes again.
    third.receipt.durable();
    let mut events = start(&receiver, 64).await;
    assert_eq!([events.take("first").await, events.take("third").await], [frame(0), frame(2)]);
}

#[tokio::test]
async fn the_archive_keeps_files_and_never_overwrites_one() {
    let (folder, _, mailbox) = room().await;
    fs::create_dir_all(mailbox.join("archive")).unwrap();
    fs::write(mailbox.join("archive").join(named(1)), b"from before").unwrap();
    fs::write(mailbox.join(named(1)), b"new").unwrap();
    let keep = FileSettings { keep: Keep::Archive, ..settings(&[folder.path()]) };
    let (_receiver, mut events) = started(keep, 2).await;
    assert_eq!(events.take("the file").await, "new");
    wait_until("it is archived", || names(&mailbox.join("archive")).len() == 2).await;
    assert_eq!(fs::read(mailbox.join("archive").join(named(1))).unwrap(), b"from before");
}

#[tokio::test]
async fn a_missing_folder_is_told_and_used_when_it_is_there() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("mount");
    let receiver = transport(settings(&[&folder]), 2);
    let (sink, events) = mpsc::channel(64);
    let mut events = Events(events);
    receiver.start(sink).await.unwrap();
    let state = events.state("down", |state| matches!(state, TransportState::Down { .. })).await;
    let TransportState::Down { reason, retry_in_ms } = state else { unreachable!() };
    assert_eq!((reason.kind, retry_in_ms), (ReasonKind::Unreachable, Some(50)));
    assert!(reason.to_string().contains("is the folder mounted?"), "{reason}");
    assert_eq!(receiver.probe(LIMIT).await.unwrap_err().kind, ReasonKind::Unreachable);
    let error = receiver.send(frame(1), &route(&folder, 3), LIMIT).await.unwrap_err();
    assert_eq!((error.reason.kind, error.retry), (ReasonKind::Unreachable, Retry::Later));
    assert!(!folder.exists(), "the shared folder itself is never made");

    fs::create_dir(&folder).unwrap();
    events.state("up", |state| *state == TransportState::Up).await;
    receiver.probe(LIMIT).await.unwrap();
    let mailbox = folder.join(fingerprint(2).to_string());
    assert!(names(&mailbox).is_empty(), "the probe leaves nothing behind");
    fs::write(mailbox.join(named(1)), b"works").unwrap();
    assert_eq!(events.take("a file").await, "works");

    // Gone in mid-run and back as another folder: notices follow it.
    fs::rename(&folder, home.path().join("away")).unwrap();
    events.state("down again", |state| matches!(state, TransportState::Down { .. })).await;
    fs::create_dir(&folder).unwrap();
    events.state("up again", |state| *state == TransportState::Up).await;
    fs::write(mailbox.join(named(2)), b"still works").unwrap();
    assert_eq!(events.take("a file in the new folder").await, "still works");
}

#[tokio::test]
async fn one_of_two_folders_missing_degrades_and_the_other_works() {
    let (folder, sender, _) = room().await;
    let missing = folder.path().join("missing");
    let receiver = transport(settings(&[&missing, folder.path()]), 2);
    let (sink, events) = mpsc::channel(64);
    let mut events = Events(events);
    receiver.start(sink).await.unwrap();
    events.state("degraded", |state| matches!(state, TransportState::Degraded { .. })).await;
    sender.send(frame(1), &route(folder.path(), 2), LIMIT).await.unwrap();
    assert_eq!(events.take("the file").await, frame(1));
    receiver.probe(LIMIT).await.unwrap();
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_told_by_send_and_probe() {
    // A file system on which nobody, root included, can make a folder.
    let folder = Path::new("/proc/self");
    let receiver = transport(settings(&[folder]), 2);
    let (sink, events) = mpsc::channel(64);
    let mut events = Events(events);
    receiver.start(sink).await.unwrap();
    events.state("down", |state| matches!(state, TransportState::Down { .. })).await;
    assert!(receiver.probe(LIMIT).await.is_err());
    let error = receiver.send(frame(1), &route(folder, 3), LIMIT).await.unwrap_err();
    assert_eq!(error.retry, Retry::Later);
}

#[tokio::test]
async fn a_file_that_cannot_be_moved_is_not_pushed_twice_and_moved_when_possible() {
    let (folder, sender, mailbox) = room().await;
    fs::create_dir_all(&mailbox).unwrap();
    // A file where the archive should be: moving fails for everybody, root included.
    fs::write(mailbox.join("archive"), b"in the way").unwrap();
    let keep = FileSettings { keep: Keep::Archive, ..settings(&[folder.path()]) };
    let (_receiver, mut events) = started(keep, 2).await;
    sender.send(frame(1), &route(folder.path(), 2), LIMIT).await.unwrap();
    assert_eq!(events.take("the file").await, frame(1));
    events.state("degraded", |state| matches!(state, TransportState::Degraded { .. })).await;
    sender.send(frame(2), &route(folder.path(), 2), LIMIT).await.unwrap();
    assert_eq!(events.take("the next one, not the first again").await, frame(2));
    fs::remove_file(mailbox.join("archive")).unwrap();
    wait_until("both are archived", || names(&mailbox.join("archive")).len() == 2).await;
    assert!(messages(&mailbox).is_empty());
}

#[tokio::test]
async fn many_pending_files_are_bounded_and_all_arrive() {
    let (folder, sender, mailbox) = room().await;
    let to = route(folder.path(), 2);
    let mut sends: FuturesUnordered<_> = (0..600).map(|n| sender.send(frame(n), &to, LIMIT)).collect();
    while let Some(result) = sends.next().await {
        result.unwrap();
    }
    let receiver = transport(settings(&[folder.path()]), 2);
    let mut events = start(&receiver, 2000).await;
    let mut held = Vec::new();
    for _ in 0..256 {
        held.push(events.inbound("the first ones").await);
    }
    // With a full window nothing more comes, whatever news there are.
    sender.send(frame(600), &to, LIMIT).await.unwrap();
    let more = tokio::time::timeout(Duration::from_millis(200), events.inbound("none")).await;
    assert!(more.is_err(), "the window is bounded");
    let mut got: BTreeSet<Bytes> = BTreeSet::new();
    for inbound in held {
        got.insert(inbound.frame);
        inbound.receipt.durable();
    }
    while got.len() < 601 {
        assert!(got.insert(events.take("the others").await), "pushed twice");
    }
    wait_until("all are removed", || names(&mailbox).is_empty()).await;
}

#[tokio::test]
async fn crashed_writers_leave_nothing_for_ever() {
    let (folder, _, mailbox) = room().await;
    fs::create_dir_all(&mailbox).unwrap();
    for (name, days) in [(".tmp-old", 3), (".tmp-young", 1)] {
        let file = fs::File::create(mailbox.join(name)).unwrap();
        let then = std::time::SystemTime::now() - Duration::from_secs(days * 24 * 3600);
        file.set_modified(then).unwrap();
    }
    let (_receiver, _events) = started(settings(&[folder.path()]), 2).await;
    assert_eq!(names(&mailbox), [".tmp-young"]);
}

#[tokio::test]
async fn refused_files_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let mailbox = Mailbox::open(folder.path(), fingerprint(2), Rights { shared: false }, &Seen::default()).unwrap();
    let mut removed = 0;
    for n in 0..300 {
        fs::write(mailbox.path().join(named(n)), b"nonsense").unwrap();
        removed += mailbox.put_aside(&named(n)).unwrap();
    }
    let giant = fs::File::create(mailbox.path().join(named(400))).unwrap();
    giant.set_len(1 << 40).unwrap();
    removed += mailbox.put_aside(&named(400)).unwrap();
    let left = names(&mailbox.path().join("refused"));
    assert_eq!((removed, left.len()), (45, 256));
    assert_eq!(left.first(), Some(&named(44)), "the oldest go, and the giant alone");
}

#[tokio::test]
async fn wrong_frames_and_addresses_never_leave() {
    let (folder, sender, _) = room().await;
    for wrong in [Bytes::new(), Bytes::from(vec![0; limits::ENVELOPE_BYTES + 1])] {
        let error = sender.send(wrong, &route(folder.path(), 2), LIMIT).await.unwrap_err();
        assert_eq!((error.reason.kind, error.retry), (ReasonKind::TooLarge, Retry::Never));
    }
    let error = sender.send(frame(1), &route(Path::new("relative"), 2), LIMIT).await.unwrap_err();
    assert_eq!((error.reason.kind, error.retry), (ReasonKind::NotConfigured, Retry::Never));
    assert!(sender.check_address("/srv/shared").is_ok() && sender.check_address("srv").is_err());
    let largest = Bytes::from(vec![7; limits::ENVELOPE_BYTES]);
    sender.send(largest.clone(), &route(folder.path(), 2), LIMIT).await.unwrap();
    let (_receiver, mut events) = started(settings(&[folder.path()]), 2).await;
    assert!(events.take("the largest").await == largest);
}

#[tokio::test]
async fn stopping_ends_everything_and_it_can_be_started_again() {
    let (folder, sender, _) = room().await;
    let (receiver, mut events) = started(settings(&[folder.path()]), 2).await;
    let (sink, _) = mpsc::channel(1);
    assert!(receiver.start(sink).await.is_err(), "twice is an error");
    receiver.stop().await;
    assert!(events.0.recv().await.is_none(), "the sink is given back");
    assert_eq!(receiver.probe(LIMIT).await.unwrap_err().kind, ReasonKind::Stopping);
    let error = receiver.send(frame(1), &route(folder.path(), 3), LIMIT).await.unwrap_err();
    assert_eq!((error.reason.kind, error.retry), (ReasonKind::Stopping, Retry::Later));
    sender.send(frame(1), &route(folder.path(), 2), LIMIT).await.unwrap();
    let mut events = start(&receiver, 8).await;
    assert_eq!(events.take("what came meanwhile").await, frame(1));
}

#[tokio::test]
async fn a_reader_without_rights_is_told_what_to_look_at() {
    // Root may do everything, so this can only be seen as another user.
    if rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
    let (sender, _events) = started(settings(&[]), 1).await;
    let error = sender.send(frame(1), &route(folder.path(), 2), LIMIT).await.unwrap_err();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(error.to_string().contains("setting \"shared\""), "{error}");
}
