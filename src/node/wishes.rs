//! What a message gets, and who said so: it says it itself, else its thread, else the peer, else the configuration.

use super::core::Core;
use crate::{
    delivery::{Policy, RoutePlan},
    identity::{PeerProfile, RoutingDefaults},
    wire::{Mode, SafeText, ThreadId, Urgency},
};

/// Something decided, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decided<T> {
    pub(super) value: T,
    pub(super) by: &'static str,
}

/// What a message gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wishes {
    pub(super) mode: Decided<Mode>,
    pub(super) policy: Decided<Policy>,
    pub(super) urgency: Decided<Urgency>,
    pub(super) ttl_seconds: Decided<u64>,
}

/// Who may decide, the first first.
struct Deciders {
    named: [(&'static str, RoutingDefaults); 3],
}

impl Deciders {
    fn decide<T>(&self, pick: impl Fn(&RoutingDefaults) -> Option<T>, else_: T) -> Decided<T> {
        let said = self.named.iter().find_map(|(by, said)| pick(said).map(|value| Decided { value, by }));
        said.unwrap_or(Decided { value: else_, by: "config" })
    }
}

impl Wishes {
    fn new(
        asked: RoutingDefaults,
        thread: RoutingDefaults,
        peer: RoutingDefaults,
        config: &crate::home::Defaults,
    ) -> Self {
        let deciders = Deciders { named: [("message", asked), ("thread", thread), ("peer", peer)] };
        Self {
            mode: deciders.decide(|said| said.mode, config.mode),
            policy: deciders.decide(|said| said.policy, config.policy),
            urgency: deciders.decide(|said| said.urgency, config.urgency),
            ttl_seconds: deciders.decide(|said| said.ttl_seconds, config.ttl_seconds),
        }
    }

    /// Writes into a plan who decided what it is for.
    pub(super) fn explain(&self, plan: &mut RoutePlan) {
        let by = [
            ("mode", self.mode.by.to_owned()),
            ("policy", self.policy.by.to_owned()),
            ("urgency", self.urgency.by.to_owned()),
            ("ttl", format!("{} s by {}", self.ttl_seconds.value, self.ttl_seconds.by)),
        ];
        plan.decided = by.into_iter().map(|(what, by)| (SafeText::line(what), SafeText::line(&by))).collect();
    }
}

impl Core {
    /// What a message to `peer` in `thread` gets that asks for this.
    pub(super) fn wishes(&self, asked: RoutingDefaults, peer: &PeerProfile, thread: Option<&ThreadId>) -> Wishes {
        let thread = peer.thread_defaults(thread.unwrap_or(&ThreadId::general()));
        Wishes::new(asked, thread, peer.defaults(), &self.config.defaults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_before_thread_before_peer_before_configuration() {
        let policy = |policy| RoutingDefaults { policy: Some(policy), ..RoutingDefaults::default() };
        let none = RoutingDefaults::default();
        let config = crate::home::Defaults::default();
        let by = |asked, thread, peer| {
            let decided = Wishes::new(asked, thread, peer, &config).policy;
            (decided.value, decided.by)
        };
        let (a, b, c) = (policy(Policy::Fastest), policy(Policy::Surest), policy(Policy::Cheapest));
        assert_eq!(by(a, b, c), (Policy::Fastest, "message"));
        assert_eq!(by(none, b, c), (Policy::Surest, "thread"));
        assert_eq!(by(none, none, c), (Policy::Cheapest, "peer"));
        assert_eq!(by(none, none, none), (Policy::Balanced, "config"));
    }

    #[test]
    fn each_is_decided_for_itself() {
        let asked = RoutingDefaults { mode: Some(Mode::Speed), ..RoutingDefaults::default() };
        let peer = RoutingDefaults { mode: Some(Mode::Stealth), ttl_seconds: Some(60), ..RoutingDefaults::default() };
        let wishes = Wishes::new(asked, RoutingDefaults::default(), peer, &crate::home::Defaults::default());
        assert_eq!((wishes.mode.value, wishes.ttl_seconds.value), (Mode::Speed, 60));
        let mut plan = RoutePlan::default();
        wishes.explain(&mut plan);
        assert_eq!(plan.decided[3].1.as_str(), "60 s by peer");
    }
}
