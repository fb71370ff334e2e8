//! Whether what was typed can be used, and what to type instead.

use super::FirstTransport;

/// Shortest passphrase, in characters.
pub(super) const PASSPHRASE_CHARS: usize = 8;

/// A name: 1 to 256 bytes.
pub(super) fn name(text: &str) -> Result<(), &'static str> {
    match text {
        "" => Err("A name is needed: what others will call you"),
        text if text.contains(['<', '>']) => Err("A name has no < or >"),
        _ => Ok(()),
    }
}

/// `agent@operator.realm`, or nothing.
pub(super) fn fqid(text: &str) -> Result<(), &'static str> {
    const EXPECTED: &str = "An FQID looks like opus@casey.douno: agent@operator.realm";
    if text.is_empty() {
        return Ok(());
    }
    let part = |part: &str| {
        let fine = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        !part.is_empty() && part.chars().all(fine)
    };
    let (agent, place) = text.split_once('@').ok_or(EXPECTED)?;
    let (operator, realm) = place.split_once('.').ok_or(EXPECTED)?;
    let fine = part(agent) && part(operator) && realm.split('.').all(part);
    if fine { Ok(()) } else { Err(EXPECTED) }
}

/// A mail address, or nothing.
pub(super) fn email(text: &str) -> Result<(), &'static str> {
    const EXPECTED: &str = "A mail address looks like opus@example.org";
    if text.is_empty() {
        return Ok(());
    }
    let (local, domain) = text.rsplit_once('@').ok_or(EXPECTED)?;
    let clean = !text.contains(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | ',' | ';'));
    if clean && !local.is_empty() && domain.split('.').all(|part| !part.is_empty()) { Ok(()) } else { Err(EXPECTED) }
}

/// A passphrase and its repetition, or an explicit none.
pub(super) fn passphrase(first: &str, second: &str, none: bool) -> Result<(), &'static str> {
    match (first, second, none) {
        ("", "", true) => Ok(()),
        (_, _, true) => Err("Empty both fields, or take the mark away"),
        ("", ..) => Err("Type a passphrase, or mark that you want none"),
        (first, ..) if first.chars().count() < PASSPHRASE_CHARS => {
            Err("At least 8 characters; four random words are good")
        }
        (first, second, _) if first != second => Err("The two are not the same"),
        _ => Ok(()),
    }
}

/// The first transport, from the choice and the address typed for it.
pub(super) fn transport(choice: usize, address: &str) -> Result<FirstTransport, &'static str> {
    match choice {
        0 => folder(address).map(FirstTransport::Folder),
        1 => listener(address).map(FirstTransport::Tcp),
        2 => relay(address).map(FirstTransport::Relay),
        _ => Ok(FirstTransport::None),
    }
}

fn folder(path: &str) -> Result<String, &'static str> {
    let absolute = path.starts_with('/') || path.starts_with("~/");
    let fine = absolute && !path.split('/').any(|part| part == "..");
    if fine { Ok(path.to_owned()) } else { Err("A folder begins with / or ~/ and has no ..") }
}

fn listener(address: &str) -> Result<String, &'static str> {
    match address.parse::<std::net::SocketAddr>() {
        Ok(socket) if socket.port() != 0 => Ok(address.to_owned()),
        _ => Err("A listener is an address and a port, such as 127.0.0.1:9999"),
    }
}

fn relay(url: &str) -> Result<String, &'static str> {
    let rest = url.strip_prefix("wss://").or_else(|| url.strip_prefix("ws://"));
    let host = rest.and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let clean = !url.contains(|c: char| c.is_whitespace() || c.is_control() || c == '@');
    if clean && !host.is_empty() && !host.starts_with(':') {
        Ok(url.to_owned())
    } else {
        Err("A relay looks like wss://relay.example.org")
    }
}
