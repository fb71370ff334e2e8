//! Writing and sending.

use super::{Effect, Effects, Tag};
use crate::{
    delivery::Policy,
    node::{Command, NoticeLevel, SendRequest},
    tui::model::{Model, PendingSend},
    wire::{Conversation, EnvelopeId, Mode, SafeText, Urgency, limits},
};

/// Emoji that `:name:` completes to.
pub(crate) const EMOJI: &[(&str, &str)] = &[
    ("check", "✅"),
    ("clap", "👏"),
    ("cry", "😢"),
    ("eyes", "👀"),
    ("fire", "🔥"),
    ("heart", "❤️"),
    ("joy", "😂"),
    ("key", "🔑"),
    ("lock", "🔒"),
    ("ok", "👌"),
    ("party", "🎉"),
    ("pray", "🙏"),
    ("rocket", "🚀"),
    ("seedling", "🌱"),
    ("smile", "🙂"),
    ("star", "⭐"),
    ("thinking", "🤔"),
    ("thumbsdown", "👎"),
    ("thumbsup", "👍"),
    ("warning", "⚠️"),
    ("wave", "👋"),
    ("x", "❌"),
];

/// Something was typed: the draft is to be saved.
pub(super) fn changed(model: &mut Model) {
    let clock = model.clock;
    if let Some(composer) = model.composer_mut() {
        composer.unsaved_since = Some(clock);
    }
}

/// Sends what is written, unless it cannot be sent; then the text stays and the reason is shown.
pub(super) fn send(model: &mut Model, out: &mut Effects) {
    let Some(conversation) = model.current().cloned() else {
        return model.notice(NoticeLevel::Info, "Open a conversation first");
    };
    if let Some(why) = hindrance(model, &conversation) {
        return model.notice(NoticeLevel::Warning, why);
    }
    let chosen = model.views.get(&conversation).map(|view| (view.composer.mode, view.composer.policy));
    let (mode, policy) = chosen.unwrap_or_default();
    let envelope_id = EnvelopeId::from_random((model.random)());
    let serial = model.next_serial();
    let clock = model.clock;
    let Some(view) = model.views.get_mut(&conversation) else { return };
    let content = view.composer.take();
    view.composer.unsaved_since = Some(clock);
    let request = SendRequest {
        to: conversation.peer.to_string(),
        content,
        thread_id: Some(conversation.thread_id.clone()),
        in_reply_to: view.composer.reply_to.take(),
        mode,
        policy,
        // What nobody chose is left to the defaults of thread and peer.
        urgency: Some(view.composer.urgency).filter(|urgency| *urgency != Urgency::Normal),
        envelope_id: Some(envelope_id),
        by_person: true,
        ..SendRequest::default()
    };
    // Urgency is for one message; mode and policy stay until they are changed.
    view.composer.urgency = Urgency::Normal;
    view.unread_after = None;
    if view.to_bottom() && view.loading.is_none() {
        super::conversation::fetch_latest(view, &conversation, out);
    }
    out.push(Effect::Call(Tag::Send(serial), Command::Send(request.clone())));
    model.sends.insert(serial, PendingSend { conversation, request });
}

/// Why what is written cannot be sent now.
fn hindrance(model: &Model, conversation: &Conversation) -> Option<String> {
    let composer = &model.views.get(conversation)?.composer;
    if composer.is_blank() {
        return Some("There is nothing to send".to_owned());
    }
    let (bytes, _) = composer.size();
    if bytes > limits::TEXT_BYTES {
        let over = bytes - limits::TEXT_BYTES;
        return Some(format!("The text is {over} bytes too long; send it in parts or as a file"));
    }
    if model.gone {
        return Some("The node has stopped; the text stays here".to_owned());
    }
    let peer = model.peer_of(&conversation.peer)?;
    if peer.conflict.is_some() {
        return Some(format!("The key of {} changed: decide first (see the banner)", peer.name));
    }
    peer.blocked.then(|| format!("{} is blocked; unblock before you write", peer.name))
}

/// The editor came back.
pub(super) fn edited(model: &mut Model, conversation: &Conversation, text: Result<String, SafeText>) {
    match text {
        Ok(text) => {
            let clock = model.clock;
            let composer = &mut model.views.entry(conversation.clone()).or_default().composer;
            composer.set("");
            composer.insert(text.trim_end_matches('\n'));
            composer.unsaved_since = Some(clock);
        }
        Err(why) => model.notice(NoticeLevel::Error, format!("The editor failed, the text is unchanged: {why}")),
    }
}

/// Completes a mention or an emoji before the cursor; a second time takes the next one that fits.
pub(super) fn complete(model: &mut Model) {
    let Some(word) = model.view().map(|view| view.composer.word_before_cursor()) else { return };
    let full: Option<String> = if let Some(start) = word.strip_prefix('@') {
        let names: Vec<&str> = model.peers.iter().map(|peer| peer.name.as_str()).collect();
        next_match(&names, start).map(|name| format!("@{name}"))
    } else if let Some(start) = word.strip_prefix(':').map(|w| w.trim_end_matches(':')) {
        EMOJI.iter().find(|(name, _)| !start.is_empty() && name.starts_with(start)).map(|(_, e)| (*e).to_owned())
    } else {
        None
    };
    match (full, model.composer_mut()) {
        (Some(full), Some(composer)) => {
            composer.replace_word(&full);
            changed(model);
        }
        _ => model.notice(NoticeLevel::Info, "Nothing to complete here; try @name or :emoji"),
    }
}

/// The first name that begins with `start`; where `start` is a whole name already, the one after it.
fn next_match<'a>(names: &[&'a str], start: &str) -> Option<&'a str> {
    if let Some(at) = names.iter().position(|name| *name == start) {
        return names.get((at + 1) % names.len()).copied();
    }
    let lower = start.to_lowercase();
    names.iter().find(|name| name.to_lowercase().starts_with(&lower)).copied()
}

/// The next way of sending.
pub(super) fn next_mode(mode: Mode) -> Mode {
    match mode {
        Mode::Failover => Mode::Broadcast,
        Mode::Broadcast => Mode::Stealth,
        Mode::Stealth => Mode::Speed,
        Mode::Speed => Mode::Failover,
    }
}

/// The next policy.
pub(super) fn next_policy(policy: Policy) -> Policy {
    let next = Policy::ALL.into_iter().cycle().skip_while(|other| *other != policy).nth(1);
    next.unwrap_or_default()
}

/// The next urgency.
pub(super) fn next_urgency(urgency: Urgency) -> Urgency {
    match urgency {
        Urgency::Low => Urgency::Normal,
        Urgency::Normal => Urgency::High,
        Urgency::High => Urgency::Critical,
        Urgency::Critical => Urgency::Low,
    }
}
