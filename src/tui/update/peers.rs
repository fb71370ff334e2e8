//! Peers and their keys: trust, conflicts, blocking.

use super::{Effect, Effects, Tag};
use crate::{
    identity::TrustLevel,
    node::{Command, NoticeLevel},
    tui::{command::Cmd, model::Model},
};

/// Carries out a command about peers and their keys.
pub(super) fn run(model: &mut Model, cmd: &Cmd, out: &mut Effects) -> bool {
    let conflict = matches!(cmd, Cmd::ConflictAccept | Cmd::ConflictReject);
    let meant = if conflict { conflicted(model) } else { model.meant_peer() };
    let known = meant.map(|peer| (peer.name.as_str().to_owned(), peer.trust, peer.muted));
    let Some((peer, trust, muted)) = known else {
        if conflict {
            model.notice(NoticeLevel::Info, "No key has changed");
        } else {
            super::commands::no_peer(model);
        }
        return true;
    };
    let (text, command) = match cmd {
        Cmd::PeerTrust(level) => trust_to(&peer, *level),
        Cmd::PeerVerify => trust_to(&peer, trust.max(TrustLevel::Verified)),
        Cmd::TrustRaise => trust_to(&peer, raised(trust)),
        Cmd::TrustLower => trust_to(&peer, lowered(trust)),
        Cmd::PeerAccept => (format!("{peer} is accepted"), Command::RequestAccept { peer }),
        Cmd::PeerBlock => (format!("{peer} is blocked"), Command::Block { peer, blocked: true }),
        Cmd::PeerUnblock => (format!("{peer} is no longer blocked"), Command::Block { peer, blocked: false }),
        Cmd::PeerMute => {
            let word = if muted { "no longer muted" } else { "muted" };
            (format!("{peer} is {word}"), Command::Mute { peer, muted: !muted })
        }
        Cmd::PeerRemove => (format!("{peer} is forgotten"), Command::PeerRemove { peer }),
        Cmd::ConflictAccept => {
            (format!("The new key of {peer} is taken"), Command::ConflictResolve { peer, accept_new: true })
        }
        Cmd::ConflictReject => {
            (format!("The old key of {peer} is kept"), Command::ConflictResolve { peer, accept_new: false })
        }
        _ => return false,
    };
    out.push(Effect::Call(Tag::Done(text), command));
    true
}

fn trust_to(peer: &str, level: TrustLevel) -> (String, Command) {
    let word = crate::tui::panes::words::trust(level);
    (format!("{peer} is now {word}"), Command::TrustSet { peer: peer.to_owned(), level })
}

fn raised(level: TrustLevel) -> TrustLevel {
    match level {
        TrustLevel::Untrusted => TrustLevel::Verified,
        TrustLevel::Verified => TrustLevel::Trusted,
        TrustLevel::Trusted | TrustLevel::Sovereign => TrustLevel::Sovereign,
    }
}

fn lowered(level: TrustLevel) -> TrustLevel {
    match level {
        TrustLevel::Sovereign => TrustLevel::Trusted,
        TrustLevel::Trusted => TrustLevel::Verified,
        TrustLevel::Verified | TrustLevel::Untrusted => TrustLevel::Untrusted,
    }
}

/// The peer whose key conflict is decided: the one that is looked at, else the first in the banner.
pub(super) fn conflicted(model: &Model) -> Option<&crate::node::Peer> {
    model.meant_peer().filter(|peer| peer.conflict.is_some()).or_else(|| model.conflicts().next())
}
