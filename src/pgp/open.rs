//! Opening: decrypt, then verify, and only then give anything out.
//!
//! The work is done in three steps, so that nothing is judged that is not authenticated:
//! 1. [`outer`] reads `PKESK+ SEIPD` and nothing else, and finds the session key;
//! 2. [`inner`] reads the packets inside to the very end, where the MDC or the last AEAD tag proves them whole;
//!    until then every failure is the same [`PgpError::Undecryptable`];
//! 3. [`judge`] compares the list of packets with the one accepted grammar and checks the signature.

use std::io::Read as _;

use sequoia_openpgp::{
    Packet,
    armor::Kind,
    crypto::{KeyPair, SessionKey},
    packet::{OnePassSig, PKESK, SEIP, Signature},
    parse::{
        Dearmor, PacketParser, PacketParserBuilder, PacketParserResult, Parse as _,
        buffered_reader::BufferedReader as _,
    },
    policy::Policy as _,
    types::{DataFormat, SignatureType, SymmetricAlgorithm},
};
use zeroize::Zeroizing;

use super::{
    Certificate, Grammar, PgpError, SecretKey, armor,
    policy::{is_post_quantum, policy_at},
    verify::verify,
};
use crate::wire::{Fingerprint, Timestamp};

const WHAT: &str = "OpenPGP message";
/// Most keys a message may be encrypted to: as many as a certificate may have subkeys.
const PKESKS: usize = 32;
/// Most packets read inside before giving up; the accepted grammar has three and the MDC.
const INNER_PACKETS: usize = 16;
/// Bytes a message may be longer than its plaintext besides a quarter of it (AEAD tags over the smallest chunks).
const OVERHEAD: usize = 128 * 1024;
/// Bytes of an MDC packet: two of header, a SHA-1 digest.
const MDC_BYTES: usize = 22;

/// A message that was decrypted, whole, and signed by the expected sender for us.
#[derive(Clone, Debug)]
pub struct Opened {
    /// What was signed and sealed.
    pub plaintext: Zeroizing<Vec<u8>>,
    /// When it was signed, as the signature says; whole seconds.
    pub signed_at: Timestamp,
    /// The sender's key that signed it: a subkey, or the primary key itself.
    pub signer_subkey: Fingerprint,
    /// Our key it was encrypted to.
    pub recipient_subkey: Fingerprint,
    /// Whether it was sealed with authenticated encryption (SEIPD version 2) and not with the older MDC.
    pub aead: bool,
    /// Whether our key it was encrypted to resists a quantum computer.
    pub post_quantum: bool,
}

/// Decrypts `message`, armored or binary, with `me` and checks that it is one message of the accepted grammar, signed
/// by `sender` for us. `max_plaintext` bounds the plaintext, in bytes.
///
/// Accepted is `PKESK+ SEIPD[ OnePassSignature Literal Signature ]` with one binary signature that names our primary
/// key, and no other, as intended recipient. Nothing is decompressed, ever.
///
/// # Errors
/// [`PgpError::TooLarge`], [`PgpError::Malformed`], [`PgpError::Grammar`], [`PgpError::NotForThisKey`],
/// [`PgpError::Undecryptable`] (one for every failure before the message is authenticated),
/// [`PgpError::WeakCipher`], [`PgpError::UnknownSigner`], [`PgpError::BadSignature`], [`PgpError::Unusable`] (of the
/// sender's certificate, then), [`PgpError::SignatureFromFuture`], [`PgpError::SignatureExpired`],
/// [`PgpError::NoIntendedRecipient`], [`PgpError::OtherRecipient`].
pub fn open(
    me: &SecretKey,
    sender: &Certificate,
    message: &[u8],
    max_plaintext: usize,
    now: Timestamp,
) -> Result<Opened, PgpError> {
    let binary = armor::dearmor(message, Kind::Message, WHAT)?;
    if binary.len() > max_plaintext.saturating_add(max_plaintext / 4).saturating_add(OVERHEAD) {
        return Err(PgpError::TooLarge { what: WHAT, limit: max_plaintext });
    }
    let container = outer(me, &binary, now)?;
    let Container { parser, recipient_subkey, post_quantum, aead } = container;
    let inner = inner(parser, aead, max_plaintext)?;
    let (plaintext, signed_at, signer_subkey) = judge(me, sender, inner, now)?;
    Ok(Opened { plaintext, signed_at, signer_subkey, recipient_subkey, aead, post_quantum })
}

/// The encrypted container, ready to be read.
struct Container<'a> {
    parser: PacketParser<'a>,
    recipient_subkey: Fingerprint,
    post_quantum: bool,
    aead: bool,
}

fn outer<'a>(me: &SecretKey, binary: &'a [u8], now: Timestamp) -> Result<Container<'a>, PgpError> {
    let malformed = |_| PgpError::Malformed { what: WHAT };
    let mut pkesks: Vec<PKESK> = Vec::new();
    let builder = PacketParserBuilder::from_bytes(binary).map_err(malformed)?;
    let mut next = builder.dearmor(Dearmor::Disabled).build().map_err(malformed)?;
    loop {
        let PacketParserResult::Some(parser) = next else {
            return Err(PgpError::Malformed { what: WHAT });
        };
        match &parser.packet {
            Packet::PKESK(_) if pkesks.len() == PKESKS => return Err(PgpError::Grammar(Grammar::TooManyRecipients)),
            Packet::PKESK(_) => {
                let (packet, rest) = parser.next().map_err(malformed)?;
                pkesks.extend(match packet {
                    Packet::PKESK(pkesk) => Some(pkesk),
                    _ => None,
                });
                next = rest;
            }
            Packet::SEIP(_) if !pkesks.is_empty() => return unlock_container(me, parser, &pkesks, now),
            other => return Err(PgpError::Grammar(misplaced_outside(other))),
        }
    }
}

fn misplaced_outside(packet: &Packet) -> Grammar {
    match packet {
        Packet::SKESK(_) => Grammar::Password,
        Packet::OnePassSig(_) | Packet::Signature(_) | Packet::Literal(_) | Packet::CompressedData(_) => {
            Grammar::NotEncrypted
        }
        _ => Grammar::Unexpected,
    }
}

/// Finds the key the message is encrypted to and starts decrypting with it.
fn unlock_container<'a>(
    me: &SecretKey,
    mut parser: PacketParser<'a>,
    pkesks: &[PKESK],
    now: Timestamp,
) -> Result<Container<'a>, PgpError> {
    let (aead, cipher) = match &parser.packet {
        Packet::SEIP(SEIP::V2(seip)) => (true, Some(seip.symmetric_algo())),
        Packet::SEIP(SEIP::V1(_)) => (false, None),
        _ => return Err(PgpError::Grammar(Grammar::Unexpected)),
    };
    let mut addressed = false;
    for (pkesk, pair) in pkesks.iter().flat_map(|pkesk| me.pairs().map(move |pair| (pkesk, pair))) {
        if !may_decrypt(pkesk, pair) {
            continue;
        }
        addressed = true;
        let Some((algorithm, session_key)) = pkesk.decrypt(&mut pair.clone(), cipher) else { continue };
        if start(&mut parser, cipher.or(algorithm), &session_key, now)? {
            let fingerprint = pair.public().fingerprint();
            return Ok(Container {
                parser,
                recipient_subkey: Fingerprint::from_bytes(fingerprint.as_bytes())
                    .map_err(|_| PgpError::Undecryptable)?,
                post_quantum: is_post_quantum(pair.public().pk_algo()),
                aead,
            });
        }
    }
    Err(if addressed { PgpError::Undecryptable } else { PgpError::NotForThisKey })
}

/// Whether the session key may be for this pair: it names it, or names nobody.
fn may_decrypt(pkesk: &PKESK, pair: &KeyPair) -> bool {
    let public = pair.public();
    public.pk_algo() == pkesk.pk_algo()
        && public.pk_algo().for_encryption()
        && pkesk.recipient().is_none_or(|recipient| recipient.aliases(public.key_handle()))
}

fn start(
    parser: &mut PacketParser<'_>,
    cipher: Option<SymmetricAlgorithm>,
    session_key: &SessionKey,
    now: Timestamp,
) -> Result<bool, PgpError> {
    let policy = policy_at(now);
    let Some(cipher) = cipher else { return Ok(false) };
    if policy.symmetric_algorithm(cipher).is_err() {
        return Err(PgpError::WeakCipher);
    }
    // Sequoia 2.4.2 takes for granted that a version 1 container holds at least its prefix and an MDC, and panics
    // when the session key fits and it does not.
    if matches!(parser.packet, Packet::SEIP(SEIP::V1(_))) {
        let least = cipher.block_size().map_err(|_| PgpError::Undecryptable)? + 2 + MDC_BYTES;
        if parser.data(least).map_err(|_| PgpError::Undecryptable)?.len() < least {
            return Err(PgpError::Undecryptable);
        }
    }
    Ok(parser.decrypt(cipher, session_key).is_ok())
}

/// The packets that were inside, all authenticated.
#[derive(Default)]
struct Inner {
    ops: Vec<OnePassSig>,
    signatures: Vec<Signature>,
    literals: Vec<Literal>,
    /// What each packet was, in order, without the MDC.
    order: Vec<Seen>,
}

struct Literal {
    format: DataFormat,
    named: bool,
    body: Zeroizing<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    OnePassSig,
    Literal,
    Signature,
    Compressed,
    Encrypted,
    Mdc { valid: bool },
    Trailing,
    Other,
}

/// Reads everything inside the container and to the end of the message. Gives nothing out unless it is authentic.
fn inner(container: PacketParser<'_>, aead: bool, max_plaintext: usize) -> Result<Inner, PgpError> {
    let undecryptable = |_| PgpError::Undecryptable;
    let mut inner = Inner::default();
    let (_, mut next) = container.recurse().map_err(undecryptable)?;
    while let PacketParserResult::Some(mut parser) = next {
        if inner.order.len() == INNER_PACKETS {
            return Err(PgpError::Undecryptable);
        }
        let seen = if parser.recursion_depth() == 0 { Seen::Trailing } else { classify(&parser.packet) };
        inner.order.push(seen);
        if seen == Seen::Literal {
            inner.literals.push(read_literal(&mut parser, max_plaintext)?);
        }
        // Not `recurse`: whatever is nested is skipped unread.
        let (packet, rest) = parser.next().map_err(undecryptable)?;
        match (seen, packet) {
            (Seen::OnePassSig, Packet::OnePassSig(ops)) => inner.ops.push(ops),
            (Seen::Signature, Packet::Signature(signature)) => inner.signatures.push(signature),
            _ => {}
        }
        next = rest;
    }
    authentic(&mut inner, aead)?;
    Ok(inner)
}

/// In version 1 the container ends with a valid MDC; in version 2 reading to its end has checked the last tag.
fn authentic(inner: &mut Inner, aead: bool) -> Result<(), PgpError> {
    if aead {
        return Ok(());
    }
    let end = inner.order.iter().position(|seen| *seen == Seen::Trailing).unwrap_or(inner.order.len());
    match end.checked_sub(1).and_then(|last| inner.order.get(last).map(|seen| (last, *seen))) {
        Some((last, Seen::Mdc { valid: true })) => {
            inner.order.remove(last);
            Ok(())
        }
        _ => Err(PgpError::Undecryptable),
    }
}

fn classify(packet: &Packet) -> Seen {
    #[allow(deprecated, reason = "SEIPD version 1 ends with an MDC packet")]
    match packet {
        Packet::OnePassSig(_) => Seen::OnePassSig,
        Packet::Literal(_) => Seen::Literal,
        Packet::Signature(_) => Seen::Signature,
        Packet::CompressedData(_) => Seen::Compressed,
        Packet::SEIP(_) | Packet::PKESK(_) | Packet::SKESK(_) => Seen::Encrypted,
        Packet::MDC(mdc) => Seen::Mdc { valid: mdc.valid() },
        _ => Seen::Other,
    }
}

fn read_literal(parser: &mut PacketParser<'_>, max_plaintext: usize) -> Result<Literal, PgpError> {
    let Packet::Literal(literal) = &parser.packet else { return Err(PgpError::Undecryptable) };
    let (format, named) = (literal.format(), literal.filename().is_some_and(|name| !name.is_empty()));
    let mut body = Zeroizing::new(Vec::new());
    let bound = u64::try_from(max_plaintext).unwrap_or(u64::MAX).saturating_add(1);
    parser.by_ref().take(bound).read_to_end(&mut body).map_err(|_| PgpError::Undecryptable)?;
    if body.len() > max_plaintext {
        return Err(PgpError::TooLarge { what: WHAT, limit: max_plaintext });
    }
    Ok(Literal { format, named, body })
}

/// What is wrong with the list of packets, if it is not the accepted one.
fn grammar(inner: &Inner) -> Result<(), Grammar> {
    let count = |wanted: Seen| inner.order.iter().filter(|seen| **seen == wanted).count();
    match inner.order.as_slice() {
        [Seen::OnePassSig, Seen::Literal, Seen::Signature] => Ok(()),
        _ if count(Seen::Trailing) > 0 => Err(Grammar::Trailing),
        _ if count(Seen::Encrypted) > 0 => Err(Grammar::Nested),
        _ if count(Seen::Compressed) > 0 => Err(Grammar::Compressed),
        _ if count(Seen::Signature) > 1 || count(Seen::OnePassSig) > 1 => Err(Grammar::SeveralSignatures),
        [Seen::Literal] => Err(Grammar::Unsigned),
        _ => Err(Grammar::Unexpected),
    }
}

type Judged = (Zeroizing<Vec<u8>>, Timestamp, Fingerprint);

fn judge(me: &SecretKey, sender: &Certificate, mut inner: Inner, now: Timestamp) -> Result<Judged, PgpError> {
    grammar(&inner).map_err(PgpError::Grammar)?;
    let (Some(ops), Some(signature), Some(literal)) = (inner.ops.pop(), inner.signatures.pop(), inner.literals.pop())
    else {
        return Err(PgpError::Grammar(Grammar::Unexpected));
    };
    if literal.named || literal.format != DataFormat::Binary {
        return Err(PgpError::Grammar(Grammar::Literal));
    }
    if ops.typ() != SignatureType::Binary || !ops.last() || ops.hash_algo() != signature.hash_algo() {
        return Err(PgpError::BadSignature);
    }
    let verified = verify(sender, &signature, now, |key| signature.verify_document(key).is_ok())?;
    let mine = me.certificate().cert().fingerprint();
    let mut intended = signature.intended_recipients().peekable();
    if intended.peek().is_none() {
        return Err(PgpError::NoIntendedRecipient);
    }
    if intended.any(|fingerprint| *fingerprint != mine) {
        return Err(PgpError::OtherRecipient);
    }
    Ok((literal.body, verified.signed_at, verified.signer))
}
