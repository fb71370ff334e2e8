//! Who lives in the demo's world, and what they say.

use crate::identity::TrustLevel;

/// Somebody in the demo.
pub(super) struct Character {
    pub(super) name: &'static str,
    pub(super) fqid: &'static str,
    /// How far the user trusts them.
    pub(super) trust: TrustLevel,
    /// Thread and text of what they say at the start.
    pub(super) opening: &'static [(&'static str, &'static str)],
    /// What they answer, in turn.
    pub(super) answers: &'static [&'static str],
    /// Thread and text of what they say by themselves, in turn.
    pub(super) chatter: &'static [(&'static str, &'static str)],
}

/// The peers the user knows.
pub(super) const CAST: &[Character] = &[
    Character {
        name: "lumina",
        fqid: "lumina@chef.demo",
        trust: TrustLevel::Trusted,
        opening: &[
            ("general", "Welcome! Everything you see is real: six nodes, three transports, one process."),
            (
                "general",
                "Write me something, then press **F8** to knock out tcp and write again. Watch the transports.",
            ),
            (
                "blueprint",
                "The print is done! First layer looks clean ✨\n\n- nozzle: 0.4 mm\n- layer: 0.2 mm\n- time: *3 h 12 min*",
            ),
        ],
        answers: &[
            "Got it. It came in sealed and signed, whichever way it took.",
            "Read you loud and clear.",
            "Press `F8` once more: then the next path is gone as well. `F9` brings them all back.",
            "Still here. One message, many paths.",
            "Press `F4` for broadcast: every path carries it, I still keep one copy.",
        ],
        chatter: &[
            ("blueprint", "Second layer is down, no warping."),
            ("general", "By the way: nothing of this touches the network outside your machine."),
            ("blueprint", "Photo follows when it has cooled. `ETA 20 min`"),
        ],
    },
    Character {
        name: "jarvis",
        fqid: "jarvis@stark.demo",
        trust: TrustLevel::Verified,
        opening: &[(
            "general",
            "Status report:\n\n```rust\nfn deliver(message: Envelope) -> Receipt {\n    paths().find_map(|path| path.carry(&message)).expect_later()\n}\n```",
        )],
        answers: &["Acknowledged.", "Noted, and stored before I said so.", "Shall I repeat that over a second path?"],
        chatter: &[("ops", "All breakers closed. Round trip looks fine."), ("ops", "Backups done. 0 errors.")],
    },
    Character {
        name: "mira",
        fqid: "mira@atelier.demo",
        trust: TrustLevel::Untrusted,
        opening: &[
            ("general", "Hi, we have not compared fingerprints yet. Open my trust panel and look."),
            ("general", "こんにちは · مرحبا · שלום · 👩‍🚀 — wide and right-to-left text should sit well too."),
        ],
        answers: &["I am still unverified, so take my word for nothing.", "Compare the words with me by phone?"],
        chatter: &[("general", "Still unverified over here…")],
    },
    Character {
        name: "nova",
        fqid: "nova@orbit.demo",
        trust: TrustLevel::Verified,
        opening: &[("general", "I will get a new phone in a minute. Watch what happens to my key.")],
        answers: &["Received on the old phone."],
        chatter: &[],
    },
];

/// What the second nova says, under a key nobody knows.
pub(super) const NEW_PHONE: &str = "It's me, nova, on my new phone. Please accept my new key!";
