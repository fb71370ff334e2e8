//! The simulation's worlds, and that its invariants notice what they are there for.

use crate::sim::{
    World,
    check::{Invariant, Step, Violation},
    link::Link,
    report::Report,
    setting::{Fault, SECOND, Setting},
};

/// Worlds that an ordinary test run goes through.
const SEEDS: u64 = 150;

fn run(setting: Setting) -> Report {
    World::new(setting).run().unwrap_or_else(|violation| panic!("{violation}"))
}

#[test]
fn every_message_is_delivered_exactly_once_or_its_sender_knows_why_not() {
    let mut total = Report::default();
    for seed in 0..SEEDS {
        total.add(&run(Setting::random(seed)));
    }
    // The worlds must be bad enough to prove something, and the machine must not win by brute force.
    let Report { delivered, failovers, duplicates, sends, ack_sends, .. } = total;
    assert!(delivered > 5_000 && failovers > delivered / 20 && duplicates > delivered / 100, "{total:?}");
    assert!(sends + ack_sends < delivered * 12, "{sends} + {ack_sends} sends for {delivered} messages");
    assert!(total.expired > 0 && total.queue_full > 0 && total.refused > 0 && total.cancelled > 0, "{total:?}");
    assert!(total.stalls > 0 && total.slowed > 0 && total.ruled > 0, "{total:?}");
    assert!(total.files > 0 && total.chunks_again > 0 && total.chunks_again < total.file_chunks, "{total:?}");
    assert!(total.corrupted > 0 && total.jumps_seen > 0 && total.full_flushes > 0, "{total:?}");
    for (step, crashes) in Step::ALL.iter().zip(total.crashes_at) {
        assert!(crashes > 0, "no crash came at {step:?}");
    }
}

#[test]
fn a_thousand_nodes_in_the_storm() {
    let report = run(Setting::published(7, 1_000, 4_000));
    assert_eq!((report.lost, report.shown_twice, report.expired), (0, 0, 0));
    assert!(report.delivered > 3_900 && report.crashes > 0, "{report:?}");
}

#[test]
fn a_seed_tells_everything() {
    let told = |seed| format!("{:?}", run(Setting::random(seed)));
    assert_eq!(told(11), told(11));
    assert_ne!(told(11), told(12));
}

#[test]
fn a_slow_but_living_path_is_never_left() {
    for seed in 0..5 {
        let mut setting = Setting::calm(seed, &[Link::Satellite, Link::Relay], 2, 600, 600 * SECOND);
        setting.all_modes = false;
        let report = run(setting);
        let satellite = &report.by_link[Link::ALL.iter().position(|link| *link == Link::Satellite).unwrap()];
        assert!(satellite.after_silence.is_empty(), "seed {seed}: {report:?}");
        assert!(report.duplicates > 0);
    }
}

#[test]
fn a_black_hole_costs_few_messages_their_time() {
    let report = run(Setting::calm(3, &[Link::BlackHole, Link::GoodWifi], 2, 600, 600 * SECOND));
    assert!(report.failovers < 60, "{} failovers in 600 messages", report.failovers);
}

/// Runs worlds with a defect until an invariant notices.
fn caught(fault: Fault) -> Violation {
    let broken = (0..60).find_map(|seed| World::new(Setting::with(seed, fault)).run().err());
    broken.unwrap_or_else(|| panic!("no invariant noticed {fault:?}"))
}

#[test]
fn every_invariant_can_fail() {
    let expected = [
        (Fault::NoDedup, Invariant::ShownOnce),
        (Fault::AckBeforeDurable, Invariant::AckedIsKept),
        (Fault::KeptBeforeDurable, Invariant::ToldIsKept),
        (Fault::StateGoesBack, Invariant::StatesRise),
        (Fault::DropWithoutReason, Invariant::DropsHaveReasons),
        (Fault::DeafToAlarms, Invariant::AlarmsAreServed),
        (Fault::NeverAborts, Invariant::NoAttemptOutlives),
        (Fault::UnboundedQueue, Invariant::QueuesAreBounded),
        (Fault::SendsWhatExpired, Invariant::NothingSentLate),
        (Fault::LosersRunOn, Invariant::NoAttemptOutlives),
        (Fault::TakesTwoPaths, Invariant::PathsAsWanted),
        (Fault::LoudAck, Invariant::NothingLeaks),
        (Fault::HidesLeaks, Invariant::NothingLeaks),
        (Fault::NoRules, Invariant::RulesAreKept),
        (Fault::Impatient, Invariant::WaitsAreKept),
        (Fault::NamesAnotherPath, Invariant::LedgerIsTrue),
        (Fault::NoRoomForAcks, Invariant::AcksAreTaken),
        (Fault::EndlessPatience, Invariant::SilenceEnds),
        (Fault::NewestFirst, Invariant::OrderIsKept),
        (Fault::DeafToHolds, Invariant::WordIsKept),
        (Fault::ChunkBeforeSync, Invariant::AckedIsKept),
        (Fault::FileFromTheStart, Invariant::FilesResume),
        (Fault::ForgetsTheOutbox, Invariant::AllEnd),
    ];
    for (fault, invariant) in expected {
        let violation = caught(fault);
        assert_eq!(violation.invariant, invariant, "{fault:?}: {violation}");
    }
    for fault in Fault::ALL {
        assert!(expected.iter().any(|(planted, _)| *planted == fault), "{fault:?} is not tried");
    }
    for invariant in Invariant::ALL {
        assert!(expected.iter().any(|(_, noticed)| *noticed == invariant), "nothing shows that {invariant:?} can fail");
    }
}

#[test]
fn a_violation_says_how_to_see_it_again() {
    let violation = caught(Fault::NoDedup);
    let told = violation.to_string();
    assert!(told.contains(&format!("--first {} --log --defect NoDedup", violation.seed)), "{told}");
    let again = World::new(Setting::with(violation.seed, Fault::NoDedup)).run().unwrap_err();
    assert_eq!(again.to_string(), told);
}
