//! What a world is made of. A setting and its seed tell everything that will happen.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use skcomm_tui::delivery::Config;

use super::{link::Link, rules::Rules};

/// One second, in the world's microseconds.
pub(crate) const SECOND: u64 = 1_000_000;
/// One hour.
pub(crate) const HOUR: u64 = 3_600 * SECOND;

/// A defect that is put into the world on purpose: the invariants must notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The index of what was received is not asked.
    NoDedup,
    /// The ack goes out when a message comes in, not when it is on the disk.
    AckBeforeDurable,
    /// A message is called kept before it is on the disk.
    KeptBeforeDurable,
    /// A failure that comes after the ack is believed.
    StateGoesBack,
    /// The outbox forgets a message whose path is silent.
    DropWithoutReason,
    /// Alarms are not served.
    DeafToAlarms,
    /// What the machine aborts goes on.
    NeverAborts,
    /// The machine's bound on its queue is not the one that was promised.
    UnboundedQueue,
    /// Messages are sent after their time.
    SendsWhatExpired,
    /// What the machine aborts in a race goes on.
    LosersRunOn,
    /// What should take one path takes two.
    TakesTwoPaths,
    /// The ack of a discreet message goes like any other.
    LoudAck,
    /// The relay says that it shows nothing of who talks to whom.
    HidesLeaks,
    /// The machine does not hear of hours and limits.
    NoRules,
    /// The machine does not hear when a server wants to be asked again.
    Impatient,
    /// An ack names a path by which the message did not come.
    NamesAnotherPath,
    /// Acks have no room of their own.
    NoRoomForAcks,
    /// The machine hears that every transport is as slow as a courier.
    EndlessPatience,
    /// The machine takes what was written last for the oldest.
    NewestFirst,
    /// The machine does not hear that the user holds messages back.
    DeafToHolds,
    /// A chunk is acked when it comes in, not when it is on the disk.
    ChunkBeforeSync,
    /// After a restart a file is sent from its beginning.
    FileFromTheStart,
    /// What was queued is not taken up after a restart.
    ForgetsTheOutbox,
}

impl Fault {
    pub(crate) const ALL: [Self; 23] = [
        Self::NoDedup,
        Self::AckBeforeDurable,
        Self::KeptBeforeDurable,
        Self::StateGoesBack,
        Self::DropWithoutReason,
        Self::DeafToAlarms,
        Self::NeverAborts,
        Self::UnboundedQueue,
        Self::SendsWhatExpired,
        Self::LosersRunOn,
        Self::TakesTwoPaths,
        Self::LoudAck,
        Self::HidesLeaks,
        Self::NoRules,
        Self::Impatient,
        Self::NamesAnotherPath,
        Self::NoRoomForAcks,
        Self::EndlessPatience,
        Self::NewestFirst,
        Self::DeafToHolds,
        Self::ChunkBeforeSync,
        Self::FileFromTheStart,
        Self::ForgetsTheOutbox,
    ];

    /// The one of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| format!("{fault:?}").eq_ignore_ascii_case(name))
    }
}

/// What a world is made of.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) seed: u64,
    pub(crate) nodes: usize,
    pub(crate) messages: u64,
    /// Links that exist here, those to be tried first at the front.
    pub(crate) links: Vec<Link>,
    /// Messages are composed and accidents happen in so many microseconds; after that the world is at peace.
    pub(crate) storm: u64,
    /// A crash comes after about so many steps of any node.
    pub(crate) crash_every: Option<u64>,
    pub(crate) partitions: u32,
    pub(crate) clock_jumps: u32,
    pub(crate) full_disks: u32,
    /// Times a node does nothing for up to an hour.
    pub(crate) stalls: u32,
    /// Things that users do: hold a peer's messages back, give one up, want all tried at once.
    pub(crate) wishes: u32,
    /// Hours and limits of some links, by their place in `links`.
    pub(crate) rules: Vec<(usize, Rules)>,
    /// The share of messages that offer a file.
    pub(crate) files: f64,
    /// Shares of frames that come twice, damaged, or long after those sent later.
    pub(crate) duplicated: f64,
    pub(crate) corrupted: f64,
    pub(crate) delayed: f64,
    /// The share of messages that live for a minute only.
    pub(crate) short_lived: f64,
    /// Every mode and urgency, or plain failover only.
    pub(crate) all_modes: bool,
    pub(crate) machine: Config,
    /// Bounds of the machine's queues as the world expects them.
    pub(crate) queued_total: usize,
    pub(crate) fault: Option<Fault>,
    pub(crate) log: bool,
    /// The command that shows exactly this world again.
    pub(crate) replay: String,
}

impl Setting {
    /// A quiet world over these links.
    pub(crate) fn calm(seed: u64, links: &[Link], nodes: usize, messages: u64, storm: u64) -> Self {
        let machine = Config::default();
        Self {
            seed,
            nodes,
            messages,
            links: links.to_vec(),
            storm,
            crash_every: None,
            partitions: 0,
            clock_jumps: 0,
            full_disks: 0,
            stalls: 0,
            wishes: 0,
            rules: Vec::new(),
            files: 0.0,
            duplicated: 0.02,
            corrupted: 0.0,
            delayed: 0.0,
            short_lived: 0.0,
            all_modes: true,
            queued_total: machine.queued_total,
            machine,
            fault: None,
            log: false,
            replay: format!("tests/run --sim 1 --first {seed} --log"),
        }
    }

    /// Whatever comes out of the seed: few or many nodes, any links, any accidents.
    pub(crate) fn random(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ 0x5eed);
        let mut links: Vec<Link> = Vec::new();
        let wanted = rng.random_range(1..=5);
        while links.len() < wanted || !links.iter().any(|link| link.lives()) {
            let link = Link::ALL[rng.random_range(0..Link::ALL.len())];
            if !links.contains(&link) {
                links.push(link);
            }
        }
        let nodes = [2, 3, 5, 12, 40][rng.random_range(0..5)];
        let messages = rng.random_range(5..60) * nodes as u64;
        let mut setting = Self::calm(seed, &links, nodes, messages, rng.random_range(60..4_000) * SECOND);
        if rng.random_bool(0.6) {
            setting.crash_every = Some([100, 1_000, 5_000][rng.random_range(0..3)]);
        }
        setting.partitions = rng.random_range(0..4);
        setting.clock_jumps = if rng.random_bool(0.4) { rng.random_range(1..6) } else { 0 };
        setting.full_disks = rng.random_range(0..3);
        setting.corrupted = if rng.random_bool(0.5) { 0.01 } else { 0.0 };
        setting.delayed = if rng.random_bool(0.5) { 0.02 } else { 0.0 };
        setting.short_lived = if rng.random_bool(0.3) { 0.2 } else { 0.0 };
        if rng.random_bool(0.25) {
            setting.bound_queues(rng.random_range(3..30));
        }
        setting.stalls = if rng.random_bool(0.3) { rng.random_range(1..6) } else { 0 };
        setting.wishes = if rng.random_bool(0.3) { rng.random_range(1..40) } else { 0 };
        setting.files = if rng.random_bool(0.3) { 0.05 } else { 0.0 };
        if rng.random_bool(0.3) {
            setting.rule(&mut rng);
        }
        setting
    }

    /// Gives one link hours or a limit, if another one lives.
    fn rule(&mut self, rng: &mut StdRng) {
        let ruled = rng.random_range(0..self.links.len());
        let others = self.links.iter().enumerate().filter(|(n, link)| *n != ruled && link.lives());
        if others.count() > 0 {
            self.rules = vec![(ruled, Rules::random(rng))];
        }
    }

    /// The world of a seed with a defect in it, bad enough for that to be noticed in some of them.
    pub(crate) fn with(seed: u64, fault: Fault) -> Self {
        let mut setting = Self::random(seed);
        setting.fault = Some(fault);
        setting.replay += format!(" --defect {fault:?}").as_str();
        match fault {
            Fault::AckBeforeDurable | Fault::KeptBeforeDurable => setting.crash_every = Some(60),
            Fault::UnboundedQueue => setting.bound_queues(3),
            Fault::SendsWhatExpired => setting.short_lived = 0.5,
            Fault::ForgetsTheOutbox => setting.crash_every = Some(300),
            Fault::NoRules => setting.rule(&mut StdRng::seed_from_u64(seed)),
            Fault::NoRoomForAcks => setting.machine.control_per_peer = 0,
            Fault::DeafToHolds => setting.wishes = 60,
            Fault::ChunkBeforeSync => (setting.files, setting.crash_every) = (0.3, Some(60)),
            Fault::FileFromTheStart => (setting.files, setting.crash_every) = (0.3, Some(500)),
            _ => {}
        }
        setting
    }

    /// The world behind the published figure: every named link, every accident, and a path that lives for everyone.
    pub(crate) fn published(seed: u64, nodes: usize, messages: u64) -> Self {
        let links =
            [Link::GoodWifi, Link::Satellite, Link::Weak4g, Link::Slow3g, Link::BlackHole, Link::Relay, Link::Folder];
        let mut setting = Self::calm(seed, &links, nodes, messages, (2 + messages / 500_000) * HOUR);
        setting.crash_every = Some(100_000);
        setting.partitions = 8;
        setting.clock_jumps = 40;
        setting.full_disks = 40;
        setting.stalls = 40;
        setting.wishes = 200;
        setting.files = 0.001;
        setting.corrupted = 0.001;
        setting.delayed = 0.005;
        setting.replay += format!(" --nodes {nodes} --messages {messages}").as_str();
        setting
    }

    /// Makes the machine's queues so small.
    pub(crate) fn bound_queues(&mut self, total: usize) {
        self.machine.queued_total = total;
        self.machine.queued_per_peer = total / 2 + 1;
        self.queued_total = total;
    }
}
