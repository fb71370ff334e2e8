//! Messages nobody should send, made with sequoia.

use std::io::Write as _;

use sequoia_openpgp::{
    Packet, PacketPile,
    crypto::KeyPair,
    parse::{PacketParserBuilder, PacketParserResult, Parse as _},
    serialize::{
        Serialize as _, SerializeInto as _,
        stream::{Encryptor, LiteralWriter, Message, Recipient, Signer},
    },
    types::AEADAlgorithm,
};

use super::now;
use crate::pgp::{Certificate, SecretKey, policy::system_time};

/// Encrypts `inner`, whatever it is, to `recipient`.
pub(super) fn encrypt(recipient: &Certificate, inner: &[u8], aead: bool) -> Vec<u8> {
    let standing = recipient.standing(now());
    let keys: Vec<_> = standing
        .encryption
        .iter()
        .map(|key| Recipient::new(key.features.clone(), key.key.key_handle(), &key.key))
        .collect();
    let mut sealed = Vec::new();
    let encryptor = Encryptor::for_recipients(Message::new(&mut sealed), keys);
    let encryptor = if aead { encryptor.aead_algo(AEADAlgorithm::OCB) } else { encryptor };
    let mut message = encryptor.build().unwrap();
    message.write_all(inner).unwrap();
    message.finalize().unwrap();
    sealed
}

/// A signed message (OPS, literal, signature), not encrypted, for these recipients.
pub(super) fn signed(signers: &[&SecretKey], recipients: &[&Certificate], text: &[u8]) -> Vec<u8> {
    let pair = |key: &&SecretKey| key.signer(now()).unwrap();
    let mut binary = Vec::new();
    let mut signer = Signer::new(Message::new(&mut binary), pair(&signers[0])).unwrap();
    for other in &signers[1..] {
        signer = signer.add_signer(pair(other)).unwrap();
    }
    for recipient in recipients {
        signer = signer.add_intended_recipient(recipient.cert());
    }
    let message = signer.creation_time(system_time(now())).build().unwrap();
    let mut message = LiteralWriter::new(message).build().unwrap();
    message.write_all(text).unwrap();
    message.finalize().unwrap();
    binary
}

/// An unsigned literal.
pub(super) fn literal(text: &[u8], file_name: &str) -> Vec<u8> {
    let mut binary = Vec::new();
    let writer = LiteralWriter::new(Message::new(&mut binary)).filename(file_name).unwrap();
    let mut message = writer.build().unwrap();
    message.write_all(text).unwrap();
    message.finalize().unwrap();
    binary
}

/// The packets of an unencrypted sequence.
pub(super) fn packets(binary: &[u8]) -> Vec<Packet> {
    PacketPile::from_bytes(binary).unwrap().into_children().collect()
}

/// Packets as bytes.
pub(super) fn bytes(packets: &[Packet]) -> Vec<u8> {
    let mut binary = Vec::new();
    for packet in packets {
        packet.serialize(&mut binary).unwrap();
    }
    binary
}

/// What `key` finds in a message: the packets inside, without the MDC, as a thief of the key would read them.
pub(super) fn decrypt(key: &SecretKey, sealed: &[u8]) -> Vec<u8> {
    let mut next = PacketParserBuilder::from_bytes(sealed).unwrap().buffer_unread_content().build().unwrap();
    let (mut session, mut inner) = (None, Vec::new());
    while let PacketParserResult::Some(mut parser) = next {
        if let Packet::PKESK(pkesk) = &parser.packet {
            let open = |pair: &KeyPair| pkesk.decrypt(&mut pair.clone(), None);
            session = session.or(key.pairs().filter(|p| p.public().pk_algo().for_encryption()).find_map(open));
        }
        if let (Packet::SEIP(_), Some((cipher, key))) = (&parser.packet, &session) {
            parser.decrypt(*cipher, key).unwrap();
        }
        let depth = parser.recursion_depth();
        let (packet, rest) = parser.recurse().unwrap();
        if depth == 1 && packet.tag() != sequoia_openpgp::packet::Tag::MDC {
            inner.extend(packet.to_vec().unwrap());
        }
        next = rest;
    }
    inner
}
