//! The form for a new peer. The certificate is pasted as text or named as a file.

use super::{Effect, Effects, Tag};
use crate::{
    node::{Command, PeerAdd},
    tui::model::{Model, Overlay, PeerForm},
    wire::SafeText,
};

/// How an armored certificate begins.
const ARMOR: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// A field changed.
pub(super) fn typed(model: &mut Model) {
    if let Some(Overlay::PeerForm(form)) = model.overlays.last_mut() {
        form.error = None;
    }
}

/// Enter: to the next field; in the last one the peer is added.
pub(super) fn submit(model: &mut Model, out: &mut Effects) {
    let Some(Overlay::PeerForm(form)) = model.overlays.last_mut() else { return };
    if form.field + 1 < form.fields.len() {
        form.field += 1;
        return;
    }
    let certificate = form.fields[2].text().trim().to_owned();
    if certificate.is_empty() || certificate.starts_with(ARMOR) {
        let certificate = (!certificate.is_empty()).then(|| unfold(&certificate));
        add(form, certificate, out);
    } else {
        out.push(Effect::ReadCertificate(certificate));
    }
}

/// The file with the certificate was read.
pub(super) fn certificate_read(model: &mut Model, text: Result<String, SafeText>, out: &mut Effects) {
    let Some(Overlay::PeerForm(form)) = model.overlays.last_mut() else { return };
    match text {
        Ok(text) => add(form, Some(text), out),
        Err(why) => form.error = Some(why.as_str().to_owned()),
    }
}

fn add(form: &mut PeerForm, certificate: Option<String>, out: &mut Effects) {
    let text = |index: usize| form.fields[index].text().trim().to_owned();
    let name = text(0);
    if name.is_empty() {
        form.error = Some("A peer needs a name".to_owned());
        form.field = 0;
        return;
    }
    let mut routes = Vec::new();
    for word in text(3).split_whitespace() {
        let parts = word.split_once('=').and_then(|(t, address)| Some((t.parse().ok()?, address.to_owned())));
        match parts {
            Some(route) => routes.push(route),
            None => {
                form.error = Some(format!("{word:?} is no route: write transport=address, such as tcp=host:9999"));
                return;
            }
        }
    }
    let fqid = Some(text(1)).filter(|fqid| !fqid.is_empty());
    let command = Command::PeerAdd(PeerAdd { name, certificate, fqid, routes, ..PeerAdd::default() });
    out.push(Effect::Call(Tag::PeerAdd, command));
}

/// An armored text that lost its line ends on the way through a one-line field gets them back: the base64 part
/// holds no blanks of its own, and the header lines are the ones with a colon.
fn unfold(folded: &str) -> String {
    let end = "-----END PGP PUBLIC KEY BLOCK-----";
    let body = folded.trim_start_matches(ARMOR);
    let body = body.split(end).next().unwrap_or_default();
    let lines: Vec<&str> = body.split_whitespace().filter(|word| is_base64(word)).collect();
    format!("{ARMOR}\n\n{}\n{end}\n", lines.join("\n"))
}

/// Words of a `Comment:` header are shorter or hold other characters than lines of base64 and the checksum.
fn is_base64(word: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    (word.len() >= 16 || word.starts_with('=') || word.ends_with('=')) && word.chars().all(fine)
}
