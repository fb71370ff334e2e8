//! A key: what to compare, where it came from, what was decided.

use ratatui::{layout::Rect, text::Line};

use super::{
    message,
    sheet::{self, Sheet},
    span, words,
};
use crate::{
    identity::{Permission, TrustLevel, fingerprint_words},
    node::{KeyInfo, Peer},
    tui::{
        command::Cmd,
        keymap::Context,
        model::{Model, Whose},
        text,
        theme::Role,
    },
    wire::{Fingerprint, Timestamp},
};

/// Columns of the panel.
const WIDTH: u16 = 80;

/// The panel.
pub(crate) fn sheet(model: &Model, whose: &Whose, top: usize, area: Rect) -> Sheet {
    let mut sheet_lines =
        Lines { model, width: usize::from(WIDTH.min(area.width).saturating_sub(2)), lines: Vec::new() };
    let name = match whose {
        Whose::Mine => {
            sheet_lines.mine();
            "My card".to_owned()
        }
        Whose::Peer(name) => {
            match model.peer_named(name) {
                Some(peer) => sheet_lines.peer(peer),
                None => sheet_lines.tell("", "This peer is no longer here"),
            }
            format!("Trust: {name}")
        }
    };
    let size = (WIDTH, area.height.saturating_sub(2).max(10));
    Sheet { name, top, size, lines: sheet_lines.lines, can: Vec::new() }
}

struct Lines<'a> {
    model: &'a Model,
    width: usize,
    lines: Vec<Line<'static>>,
}

impl Lines<'_> {
    fn tell(&mut self, name: &str, text: &str) {
        self.tell_as(Role::Overlay, name, text);
    }

    fn tell_as(&mut self, role: Role, name: &str, text: &str) {
        self.lines.extend(sheet::pair(self.model, role, name, text, self.width));
    }

    fn heading(&mut self, text: &str) {
        self.lines.push(Line::default());
        self.lines.push(Line::from(span(self.model, Role::TextStrong, format!(" {text}"))));
    }

    fn mine(&mut self) {
        let Some(status) = &self.model.status else {
            return self.tell("", "Not known yet");
        };
        self.tell("name", status.name.as_str());
        if let Some(fqid) = &status.fqid {
            self.tell("FQID", fqid.as_str());
        }
        self.fingerprint(&status.fingerprint);
        let copy = self.key(&Cmd::IdentityCopy);
        self.tell("", &format!("{copy} copies the public certificate"));
        self.qr(&status.fingerprint);
    }

    fn peer(&mut self, peer: &Peer) {
        if let Some(new) = &peer.conflict {
            self.tell_as(Role::Banner, "CONFLICT", "Another key wants to take the place of the one below");
            self.tell_as(Role::NoticeSecurity, "new key", &new.grouped());
            self.tell_as(Role::NoticeSecurity, "in words", &in_words(new));
            let (keep, take) = (self.key(&Cmd::ConflictReject), self.key(&Cmd::ConflictAccept));
            self.tell("", &format!("{keep} keeps the old key, {take} takes the new one"));
        }
        if peer.request {
            let accept = self.key(&Cmd::PeerAccept);
            let text = format!("it wrote to you first and gets no acks until you accept it ({accept}) or block it");
            self.tell_as(Role::NoticeWarning, "request", &text);
        }
        if let Some(warning) = &peer.warning {
            self.tell_as(Role::NoticeWarning, "warning", warning.as_str());
        }
        self.tell_as(words::trust_role(peer.trust), "trust", words::trust(peer.trust));
        if let Some(fqid) = &peer.fqid {
            self.tell("FQID", fqid.as_str());
        }
        match words::presence(self.model, peer) {
            Some((role, text)) => self.tell_as(role, "presence", &text),
            None => self.tell_as(Role::TextDim, "presence", "not heard of since the start"),
        }
        match &peer.fingerprint {
            Some(key) => self.fingerprint(key),
            None => self.tell_as(Role::StateHeld, "key", "none yet: messages are held until its certificate is added"),
        }
        if let Some(key) = &peer.key {
            self.key_info(key);
        }
        self.actions(peer);
        self.permissions(peer.trust);
        self.routes(peer);
        if !peer.history.is_empty() {
            self.heading("History of the key, oldest first");
        }
        for event in &peer.history {
            let when = self.instant(event.at);
            self.tell(&when, event.what.as_str());
        }
        if let Some(key) = &peer.fingerprint {
            self.qr(key);
        }
    }

    fn actions(&mut self, peer: &Peer) {
        let block = if peer.blocked { Cmd::PeerUnblock } else { Cmd::PeerBlock };
        let actions = [
            (Cmd::PeerVerify, "verified: I compared the fingerprint"),
            (Cmd::TrustRaise, "one level more"),
            (Cmd::TrustLower, "one level less"),
            (block, if peer.blocked { "unblock" } else { "block" }),
        ];
        self.heading("What you can do");
        for (cmd, what) in actions {
            let key = self.key(&cmd);
            self.tell(&key, what);
        }
    }

    fn permissions(&mut self, trust: TrustLevel) {
        self.heading("What this level allows");
        for permission in Permission::ALL {
            let (role, word) = if trust.allows(permission) { (Role::Overlay, "yes") } else { (Role::TextDim, "no") };
            let needs = permission.needs();
            let from = if trust.allows(permission) { String::new() } else { format!(" (from {})", needs.name()) };
            self.tell_as(role, word, &format!("{}{from}", permission.describe()));
        }
    }

    fn routes(&mut self, peer: &Peer) {
        self.heading("Routes, preferred first");
        for (transport, address) in &peer.routes {
            self.tell(transport.as_str(), address.as_str());
        }
        if peer.routes.is_empty() {
            self.tell_as(Role::StateHeld, "none", "messages wait until a route is added");
        }
        if let Some(mode) = peer.defaults.mode {
            self.tell("mode", words::mode(mode));
        }
    }

    fn fingerprint(&mut self, key: &Fingerprint) {
        self.tell_as(Role::TextStrong, "fingerprint", &key.grouped());
        self.tell("in words", &in_words(key));
    }

    fn key_info(&mut self, key: &KeyInfo) {
        self.tell("algorithms", &format!("{}, OpenPGP v{}", key.algorithms, key.version));
        let created = self.instant(key.created);
        self.tell("made", &created);
        let expires = key.expires.map_or_else(|| "never".to_owned(), |at| self.instant(at));
        self.tell("expires", &expires);
        for id in &key.user_ids {
            self.tell("user id", id.as_str());
        }
    }

    fn qr(&mut self, key: &Fingerprint) {
        self.heading("The fingerprint as a QR code");
        let rows = text::qr(&format!("OPENPGP4FPR:{key}"), self.model.ascii);
        let wide = rows.first().map_or(0, |row| text::width(row)) + 2;
        if wide > self.width {
            return self.tell("", &format!("It needs a window of {} columns", wide + 2));
        }
        for row in rows {
            self.lines
                .push(Line::from(vec![span(self.model, Role::Overlay, "  "), span(self.model, Role::QrCode, row)]));
        }
    }

    fn instant(&self, at: Timestamp) -> String {
        message::day(at, &self.model.zone).to_string()
    }

    fn key(&self, cmd: &Cmd) -> String {
        let key = self.model.keymap.key_in(Context::Trust, cmd);
        key.unwrap_or_else(|| format!(":{}", cmd.name()))
    }
}

/// A fingerprint as words that can be read out.
fn in_words(key: &Fingerprint) -> String {
    fingerprint_words(key).join(" ")
}
