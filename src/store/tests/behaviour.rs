//! What the store does while nothing goes wrong.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
};

use super::*;
use crate::{
    delivery::{AttemptOutcome, AttemptRecord, Reason, ReasonKind},
    wire::limits,
};

fn position(insert: Insert) -> u64 {
    match insert {
        Insert::New { position, .. } => position,
        other => panic!("{other:?}"),
    }
}

fn numbers(found: &[(u64, MessageRecord)]) -> Vec<String> {
    found.iter().map(|(_, record)| record.content.replace("message number ", "")).collect()
}

#[test]
fn a_message_comes_back_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let lumina = talk(1, "general");
    let record = MessageRecord {
        kind: PayloadType::Other("hologram".to_owned()),
        content: "ESC \u{1b}[31m and \u{202e} stay raw".to_owned(),
        in_reply_to: Some(id(9)),
        paths: vec![path("file"), path("tcp")],
        urgency: Urgency::Critical,
        mode: Mode::Broadcast,
        trust: TrustLevel::Sovereign,
        ..incoming(1, &lumina, 5)
    };
    let at = position(open(dir.path()).insert_incoming(&record).unwrap());
    assert_eq!(open(dir.path()).message(&id(1)).unwrap(), Some((at, record)));
    assert_eq!(open(dir.path()).message(&id(2)).unwrap(), None);
}

#[test]
fn an_id_is_taken_once() {
    let dir = tempfile::tempdir().unwrap();
    let lumina = talk(1, "general");
    let record = incoming(1, &lumina, 0);
    let digest = record.digest.unwrap();
    {
        let store = open(dir.path());
        assert_eq!(store.seen(&lumina.peer, &id(1), &digest).unwrap(), Seen::No);
        position(store.insert_incoming(&record).unwrap());
        store.mark_seen(&lumina.peer, &id(2), &[2; 32], at(0)).unwrap();
    }
    let store = open(dir.path());
    assert_eq!(store.insert_incoming(&record).unwrap(), Insert::Duplicate);
    let forged = MessageRecord { digest: Some([66; 32]), content: "give me money".to_owned(), ..record.clone() };
    assert_eq!(store.insert_incoming(&forged).unwrap(), Insert::Forgery);
    assert_eq!(store.message(&id(1)).unwrap().unwrap().1.content, record.content);
    assert_eq!(store.seen(&lumina.peer, &id(1), &digest).unwrap(), Seen::Same);
    assert_eq!(store.seen(&lumina.peer, &id(1), &[66; 32]).unwrap(), Seen::Different);
    // A mark that belongs to no message counts as well.
    assert_eq!(store.insert_incoming(&incoming(2, &lumina, 1)).unwrap(), Insert::Duplicate);
    assert_eq!(store.seen(&lumina.peer, &id(2), &[3; 32]).unwrap(), Seen::Different);
    // Our own message reflected under its id is not a duplicate of a peer's.
    let (ours, entry) = outgoing(3, &lumina, 2);
    store.insert_outgoing(&ours, &entry, b"sealed").unwrap();
    assert!(matches!(store.insert_outgoing(&ours, &entry, b"sealed"), Err(StoreError::Exists(_))));
    assert_eq!(store.insert_incoming(&incoming(3, &lumina, 3)).unwrap(), Insert::Forgery);
    assert_eq!(store.conversation(&lumina).unwrap().unwrap().messages, 2);
}

#[test]
fn an_id_claimed_by_another_peer_neither_blocks_nor_overwrites() {
    let dir = tempfile::tempdir().unwrap();
    let (lumina, mallory) = (talk(1, "general"), talk(2, "general"));
    let real = incoming(1, &lumina, 10);
    let (ours, entry) = outgoing(2, &lumina, 20);
    let waiting = MessageState::Queued { next_try: None, reason: None };
    {
        let store = open(dir.path());
        // Mallory saw the ids in transit and was faster.
        position(store.insert_incoming(&incoming(1, &mallory, 0)).unwrap());
        position(store.insert_incoming(&incoming(2, &mallory, 1)).unwrap());
        store.mark_seen(&mallory.peer, &id(3), &[3; 32], at(0)).unwrap();
        assert_eq!(store.seen(&lumina.peer, &id(1), &real.digest.unwrap()).unwrap(), Seen::No);
        position(store.insert_incoming(&real).unwrap());
        store.insert_outgoing(&ours, &entry, b"sealed").unwrap();
        position(store.insert_incoming(&incoming(3, &lumina, 30)).unwrap());
        assert!(matches!(store.insert_outgoing(&outgoing(2, &mallory, 21).0, &entry, b""), Err(StoreError::Exists(_))));
    }
    let store = open(dir.path());
    let (_, found) = store.message_with(&lumina.peer, &id(1)).unwrap().unwrap();
    assert_eq!((found.conversation, found.content), (lumina.clone(), real.content.clone()));
    assert_eq!(store.message_with(&mallory.peer, &id(1)).unwrap().unwrap().1.conversation, mallory);
    assert_eq!(store.outgoing(&id(1)).unwrap(), None);
    assert_eq!(store.message(&id(2)).unwrap().unwrap().1.state, waiting, "ours goes before a peer's");
    let sent = MessageState::Accepted { via: path("tcp"), stored_by: None };
    assert!(store.set_state(&id(2), &sent, 1).unwrap());
    assert_eq!(store.outgoing(&id(2)).unwrap().unwrap().1.state, sent);
    assert_eq!(store.message_with(&mallory.peer, &id(2)).unwrap().unwrap().1.state, MessageState::Received);
    assert!(store.verify().unwrap().is_clean());
    // Pruning the mark of one takes nothing from the other.
    assert_eq!(store.prune(at(DEDUP_KEEP_MS + 1)).unwrap(), 1);
    assert!(store.message_with(&lumina.peer, &id(3)).unwrap().is_some());
    assert_eq!(store.seen(&mallory.peer, &id(3), &[3; 32]).unwrap(), Seen::No);
}

#[test]
fn progress_is_written_as_one_and_never_goes_back() {
    let dir = tempfile::tempdir().unwrap();
    let lumina = talk(1, "general");
    let accepted = MessageState::Accepted { via: path("tcp"), stored_by: None };
    let delivered = MessageState::Delivered { via: path("tcp"), latency_ms: 7 };
    let line = |number: u32, outcome: AttemptOutcome| AttemptRecord {
        number,
        via: path("tcp"),
        started: at(1),
        took_ms: Some(2),
        bytes: 3,
        outcome,
    };
    let progress = |position, state: Option<&MessageState>, lines: &[AttemptRecord], done| Progress {
        position,
        state: state.map(|state| (state.clone(), 1)),
        attempts: lines.iter().map(|line| (line.number, line.clone())).collect(),
        done,
    };
    {
        let store = open(dir.path());
        let (ours, entry) = outgoing(1, &lumina, 0);
        let place = store.insert_outgoing(&ours, &entry, b"sealed").unwrap();
        let first = line(1, AttemptOutcome::Accepted);
        store.record_progress(&id(1), &progress(place, Some(&accepted), std::slice::from_ref(&first), false)).unwrap();
        assert_eq!(store.outgoing(&id(1)).unwrap().unwrap().1.state, accepted);
        assert_eq!(store.outbox().unwrap()[0].state, accepted);
        assert_eq!(store.outbox_envelope(&id(1)).unwrap().as_deref(), Some(&b"sealed"[..]));
        let acked = line(1, AttemptOutcome::Acked { after_ms: 7, ack_via: Some(path("file")) });
        store.record_progress(&id(1), &progress(place, Some(&delivered), std::slice::from_ref(&acked), false)).unwrap();
        // Another path reports late: its line of the ledger is kept, the state stays.
        let late = line(2, AttemptOutcome::Accepted);
        let told = progress(place, Some(&accepted), std::slice::from_ref(&late), false);
        store.record_progress(&id(1), &told).unwrap();
        assert_eq!(store.outgoing(&id(1)).unwrap().unwrap().1.state, delivered);
        assert_eq!(store.outbox_entry(&id(1)).unwrap().unwrap().state, delivered);
        assert_eq!(store.attempts(&id(1)).unwrap(), [acked.clone(), late]);
        store.record_progress(&id(1), &progress(place, None, &[], true)).unwrap();
        assert_eq!(store.outbox_envelope(&id(1)).unwrap(), None);
    }
    let store = open(dir.path());
    assert_eq!(store.outgoing(&id(1)).unwrap().unwrap().1.state, delivered);
    assert!(store.outbox().unwrap().is_empty() && store.outbox_entry(&id(1)).unwrap().is_none());
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn order_is_by_composition_and_a_far_future_clock_pins_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let lumina = talk(1, "general");
    let insert = |record: &MessageRecord| position(store.insert_incoming(record).unwrap());
    insert(&incoming(3, &lumina, 3000));
    insert(&incoming(1, &lumina, 1000));
    insert(&incoming(2, &lumina, 1000));
    // Composed "in a year", stored now: placed by arrival.
    insert(&MessageRecord { composed: at(365 * 86_400_000), ..incoming(4, &lumina, 4000) });
    insert(&incoming(5, &lumina, 5000));
    let all = store.history(&Query { conversation: Some(lumina.clone()), limit: 10, ..Query::default() }).unwrap();
    assert_eq!(numbers(&all), ["1", "2", "3", "4", "5"]);
    assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0));
    // Our answer comes last even when the peer's clock is a little ahead of ours.
    insert(&MessageRecord { composed: at(50_000), ..incoming(6, &lumina, 6000) });
    let (ours, entry) = outgoing(7, &lumina, 7000);
    store.insert_outgoing(&ours, &entry, b"").unwrap();
    let all = store.history(&Query { conversation: Some(lumina), limit: 10, ..Query::default() }).unwrap();
    assert_eq!(numbers(&all), ["1", "2", "3", "4", "5", "6", "7"]);
}

#[test]
fn what_comes_after_newer_ones_were_shown_is_late_and_placed_by_arrival() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let lumina = talk(1, "general");
    let first = position(store.insert_incoming(&incoming(1, &lumina, 0)).unwrap());
    let old = MessageRecord { composed: at(-7 * 86_400_000), ..incoming(2, &lumina, 1000) };
    let Insert::New { position: second, late: true } = store.insert_incoming(&old).unwrap() else { panic!() };
    assert!(second > first);
    assert!(store.message(&id(2)).unwrap().unwrap().1.late);
    // A little older than the newest, nothing read: sorted in, not late.
    let older = MessageRecord { composed: at(500), ..incoming(3, &lumina, 2000) };
    let Insert::New { position: third, late: false } = store.insert_incoming(&older).unwrap() else { panic!() };
    assert!(first < third && third < second);
    // The same after the user saw newer ones: at the end, so that it is seen at all.
    store.mark_read(&lumina, second).unwrap();
    let older = MessageRecord { composed: at(600), ..incoming(4, &lumina, 3000) };
    let Insert::New { position: fourth, late: true } = store.insert_incoming(&older).unwrap() else { panic!() };
    assert!(fourth > second);
    assert_eq!(store.conversation(&lumina).unwrap().unwrap().unread, 1);
}

#[test]
fn history_pages_both_ways_over_threads_and_peers() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let talks = [talk(1, "general"), talk(1, "plans"), talk(2, "general")];
    for number in 0..60 {
        store.insert_incoming(&incoming(number, &talks[number as usize % 3], number as i64 * 10)).unwrap();
    }
    let page = |query: &Query| numbers(&store.history(query).unwrap());
    let plans = Query { conversation: Some(talks[1].clone()), limit: 2, ..Query::default() };
    assert_eq!(page(&plans), ["55", "58"]);
    let newest = store.history(&plans).unwrap();
    assert_eq!(page(&Query { before: Some(newest[0].0), ..plans.clone() }), ["49", "52"]);
    assert_eq!(page(&Query { after: Some(newest[0].0), ..plans.clone() }), ["58"]);
    assert_eq!(page(&Query { after: Some(0), ..plans.clone() }), ["1", "4"]);
    assert_eq!(page(&Query { after: Some(9), before: Some(3), ..plans }), [""; 0]);
    let peer = Query { peer: Some(talks[0].peer), limit: 4, ..Query::default() };
    assert_eq!(page(&peer), ["54", "55", "57", "58"]);
    let middle = store.history(&peer).unwrap()[1].0;
    assert_eq!(page(&Query { after: Some(middle), ..peer.clone() }), ["57", "58"]);
    assert_eq!(page(&Query { limit: 3, ..Query::default() }), ["57", "58", "59"]);
    assert_eq!(page(&Query { limit: 3, incoming: Some(false), ..Query::default() }), [""; 0]);
    assert_eq!(page(&Query { limit: 1000, ..Query::default() }).len(), 60);
}

#[test]
fn read_marks_count_and_name_what_is_newly_read() {
    let dir = tempfile::tempdir().unwrap();
    let lumina = talk(1, "general");
    let mut positions = Vec::new();
    {
        let store = open(dir.path());
        for number in 0..6 {
            positions.push(position(store.insert_incoming(&incoming(number, &lumina, number as i64)).unwrap()));
        }
        let (ours, entry) = outgoing(6, &lumina, 6);
        store.insert_outgoing(&ours, &entry, b"").unwrap();
        assert_eq!(store.mark_read(&lumina, positions[1]).unwrap(), [id(1), id(0)]);
        assert_eq!(store.mark_read(&lumina, positions[0]).unwrap(), []);
    }
    let store = open(dir.path());
    let counters = store.conversation(&lumina).unwrap().unwrap();
    assert_eq!((counters.messages, counters.unread, counters.read_up_to), (7, 4, Some(positions[1])));
    assert_eq!(store.mark_read(&lumina, u64::MAX).unwrap(), [id(5), id(4), id(3), id(2)]);
    let counters = store.conversations().unwrap();
    assert_eq!((counters.len(), counters[0].unread), (1, 0));
    assert_eq!(counters[0].read_up_to, Some(counters[0].last_position));
    assert_eq!(store.mark_read(&talk(9, "none"), 5).unwrap(), []);
}

#[test]
fn the_outbox_keeps_order_states_and_sealed_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let lumina = talk(1, "general");
    let big = vec![0xAB; 300_000];
    {
        let store = open(dir.path());
        let (second, entry) = outgoing(2, &lumina, 2000);
        store.insert_outgoing(&second, &entry, b"two").unwrap();
        let (first, entry) = outgoing(1, &lumina, 1000);
        store.insert_outgoing(&first, &entry, &big).unwrap();
        let ack = OutboxEntry { kind: PayloadType::Ack, ..outgoing(3, &lumina, 3000).1 };
        store.insert_hidden(&ack, b"ack").unwrap();
        let via = path("tcp");
        assert!(store.set_state(&id(1), &MessageState::Accepted { via: via.clone(), stored_by: None }, 1).unwrap());
        let behind = MessageState::InFlight { via };
        assert!(!store.set_state(&id(1), &behind, 2).unwrap(), "a state never goes back");
    }
    let store = open(dir.path());
    let entries = store.outbox().unwrap();
    assert_eq!(entries.iter().map(|entry| entry.envelope_id).collect::<Vec<_>>(), [id(1), id(2), id(3)]);
    assert_eq!((entries[0].retries, entries[0].size, &*entries[0].facts), (1, 300_000, &b"facts"[..]));
    assert_eq!(entries[0].state.name(), "accepted");
    assert_eq!(store.outbox_envelope(&id(1)).unwrap(), Some(big));
    assert_eq!(store.message(&id(3)).unwrap(), None, "an ack is no message");
    let delivered = MessageState::Delivered { via: path("file"), latency_ms: 12 };
    store.set_state(&id(1), &delivered, 1).unwrap();
    assert_eq!(store.outbox().unwrap().len(), 2, "final ones do not wait");
    assert!(store.remove_from_outbox(&id(1)).unwrap());
    assert!(!store.remove_from_outbox(&id(1)).unwrap());
    assert_eq!(store.outbox_envelope(&id(1)).unwrap(), None);
    assert_eq!(store.message(&id(1)).unwrap().unwrap().1.state, delivered);
    assert!(matches!(store.set_state(&id(77), &delivered, 0), Err(StoreError::NoMessage(_))));
    store.replace_envelope(&OutboxEntry { facts: Vec::new(), ..entries[1].clone() }, b"sealed anew").unwrap();
    assert_eq!(store.outbox_envelope(&id(2)).unwrap(), Some(b"sealed anew".to_vec()));
    assert!(store.verify().unwrap().is_clean(), "no chunk is left behind: {:?}", store.verify());
}

#[test]
fn the_ledger_paths_and_receipts_of_a_message() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let lumina = talk(1, "general");
    let (ours, entry) = outgoing(1, &lumina, 0);
    store.insert_outgoing(&ours, &entry, b"sealed").unwrap();
    let attempt = |number, outcome| AttemptRecord {
        number,
        via: path("tcp"),
        started: at(0),
        took_ms: Some(3),
        bytes: 100,
        outcome,
    };
    store.record_attempt(&id(1), &attempt(1, AttemptOutcome::Running)).unwrap();
    let failed = AttemptOutcome::Failed { reason: Reason::new(ReasonKind::Timeout, "no answer in 5 s") };
    store.record_attempt(&id(1), &attempt(1, failed.clone())).unwrap();
    let acked = AttemptOutcome::Acked { after_ms: 4, ack_via: Some(path("file")) };
    store.record_attempt(&id(1), &attempt(2, acked.clone())).unwrap();
    let expected = [attempt(1, failed), attempt(2, acked)];
    assert_eq!(store.attempts(&id(1)).unwrap(), expected);
    assert_eq!(store.attempts(&id(2)).unwrap(), []);

    // As it was written before lines named the path of their ack.
    let before = br#"{"number":3,"via":"tcp","started":"2026-11-20T13:31:00.000Z","took_ms":3,"bytes":100,
        "outcome":{"outcome":"acked","after_ms":5}}"#;
    let vault = &store.vault;
    let key = layout::Table::Attempts.key(&[&layout::id_key(&vault.keys, &id(1)), &3_u32.to_be_bytes()]);
    let mut batch = engine::Batch::default();
    vault.put(&mut batch, key, before).unwrap();
    vault.engine.apply(&batch).unwrap();
    let last = store.attempts(&id(1)).unwrap().pop().unwrap();
    assert_eq!((last.number, last.outcome), (3, AttemptOutcome::Acked { after_ms: 5, ack_via: None }));

    assert!(store.add_path(&lumina.peer, &id(1), &path("file")).unwrap());
    assert!(!store.add_path(&lumina.peer, &id(1), &path("file")).unwrap());
    assert!(store.add_path(&lumina.peer, &id(1), &path("tcp")).unwrap());
    assert_eq!(store.message(&id(1)).unwrap().unwrap().1.paths, [path("file"), path("tcp")]);
    assert!(matches!(store.add_path(&lumina.peer, &id(5), &path("file")), Err(StoreError::NoMessage(_))));

    let receipt = |kind, via: &str, ms| ReceiptRecord { kind, via: Some(path(via)), at: at(ms) };
    store.record_receipt(&id(1), &receipt(ReceiptKind::Acked, "tcp", 5)).unwrap();
    store.record_receipt(&id(1), &receipt(ReceiptKind::Acked, "file", 4)).unwrap();
    store.record_receipt(&id(1), &receipt(ReceiptKind::Acked, "tcp", 6)).unwrap();
    let expected = [receipt(ReceiptKind::Acked, "file", 4), receipt(ReceiptKind::Acked, "tcp", 6)];
    assert_eq!(store.receipts(&id(1)).unwrap(), expected);
}

#[test]
fn drafts_and_states_are_kept_replaced_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (lumina, jarvis) = (talk(1, "general"), talk(2, "general"));
    let long = "é".repeat(40_000);
    {
        let store = open(dir.path());
        store.save_draft(&jarvis, "hello").unwrap();
        store.save_draft(&lumina, &long).unwrap();
        store.put_blob("peer", "lumina", &[1; 20_000]).unwrap();
        store.put_blob("peer", "jarvis", b"j").unwrap();
        store.put_blob("plan", "jarvis", b"other").unwrap();
    }
    let store = open(dir.path());
    assert_eq!(store.drafts().unwrap(), [(lumina.clone(), long), (jarvis.clone(), "hello".to_owned())]);
    store.save_draft(&lumina, "short").unwrap();
    store.save_draft(&jarvis, "").unwrap();
    assert_eq!(store.drafts().unwrap(), [(lumina.clone(), "short".to_owned())]);
    assert_eq!(store.blob("peer", "lumina").unwrap(), Some(vec![1; 20_000]));
    store.put_blob("peer", "lumina", b"small").unwrap();
    let expected = [("jarvis".to_owned(), b"j".to_vec()), ("lumina".to_owned(), b"small".to_vec())];
    assert_eq!(store.blobs("peer").unwrap(), expected);
    store.remove_blob("peer", "jarvis").unwrap();
    assert_eq!(store.blob("peer", "jarvis").unwrap(), None);
    assert_eq!(store.blob("plan", "jarvis").unwrap(), Some(b"other".to_vec()));
    let chunks = store.vault.engine.scan(&layout::Table::Chunks.start(), &layout::Table::Chunks.end(), false);
    assert_eq!(chunks.count(), 0, "what was long leaves no pieces behind");
    let too_long = "x".repeat(limits::TEXT_BYTES + 1);
    assert!(matches!(store.save_draft(&lumina, &too_long), Err(StoreError::TooLarge { .. })));
}

#[test]
fn marks_are_pruned_by_time_and_messages_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let record = incoming(1, &talk(1, "general"), 0);
    store.insert_incoming(&record).unwrap();
    let lumina = talk(1, "general");
    store.mark_seen(&lumina.peer, &id(2), &[2; 32], at(0)).unwrap();
    store.mark_seen(&lumina.peer, &id(3), &[3; 32], at(86_400_000)).unwrap();
    assert_eq!(store.prune(at(DEDUP_KEEP_MS)).unwrap(), 0);
    assert_eq!(store.prune(at(DEDUP_KEEP_MS + 1)).unwrap(), 1);
    assert_eq!(store.seen(&lumina.peer, &id(2), &[2; 32]).unwrap(), Seen::No);
    assert_eq!(store.seen(&lumina.peer, &id(3), &[3; 32]).unwrap(), Seen::Same);
    assert_eq!(store.insert_incoming(&record).unwrap(), Insert::Duplicate);
}

#[test]
fn search_finds_all_words_in_either_case_newest_first_and_can_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (lumina, jarvis) = (talk(1, "general"), talk(2, "general"));
    let texts = ["The Quick brown fox", "quick QUICK foxes", "ÄRGER im Büro", "nothing here", "a fox, quickly"];
    for (number, text) in (0..).zip(texts) {
        let of = if number == 1 { &jarvis } else { &lumina };
        let content = (*text).to_owned();
        store.insert_incoming(&MessageRecord { content, ..incoming(number, of, number as i64) }).unwrap();
    }
    let never = AtomicBool::new(false);
    let find = |text: &str, of: Option<&Conversation>| {
        let mut found = Vec::new();
        let end = store.search(text, of, &never, |_, record| {
            found.push(record.content);
            ControlFlow::Continue(())
        });
        assert_eq!(end.unwrap().hits, found.len() as u64);
        found
    };
    assert_eq!(find("QUICK fox", None), ["a fox, quickly", "quick QUICK foxes", "The Quick brown fox"]);
    assert_eq!(find("quick fox", Some(&jarvis)), ["quick QUICK foxes"]);
    assert_eq!(find("ärger büro", None), ["ÄRGER im Büro"]);
    assert_eq!(find("quick bear", None), [""; 0]);
    assert_eq!(find("  ", None), [""; 0]);
    let first = store.search("fox", None, &never, |_, _| ControlFlow::Break(())).unwrap();
    assert_eq!((first.hits, first.complete), (1, false));
    let cancelled = AtomicBool::new(true);
    let end = store.search("fox", None, &cancelled, |_, _| ControlFlow::Continue(())).unwrap();
    assert_eq!((end.hits, end.complete), (0, false));
    never.store(false, Ordering::Relaxed);
}

#[test]
fn what_is_too_large_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let lumina = talk(1, "general");
    let content = "x".repeat(limits::BODY_BYTES + 1);
    let refused = store.insert_incoming(&MessageRecord { content, ..incoming(1, &lumina, 0) });
    assert!(matches!(refused, Err(StoreError::TooLarge { .. })));
    let (ours, entry) = outgoing(2, &lumina, 0);
    let refused = store.insert_outgoing(&ours, &entry, &vec![0; limits::ENVELOPE_BYTES + 1]);
    assert!(matches!(refused, Err(StoreError::TooLarge { .. })));
    assert_eq!(store.conversation(&lumina).unwrap(), None);
    let content = "y".repeat(limits::TEXT_BYTES);
    store.insert_incoming(&MessageRecord { content: content.clone(), ..incoming(3, &lumina, 0) }).unwrap();
    assert_eq!(store.message(&id(3)).unwrap().unwrap().1.content, content);
}

#[test]
fn a_flood_of_messages_in_one_millisecond_keeps_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let lumina = talk(1, "general");
    let positions: Vec<u64> =
        (0..200).map(|number| position(store.insert_incoming(&incoming(number, &lumina, 0)).unwrap())).collect();
    assert!(positions.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(store.verify().unwrap().is_clean());
}
