//! Sealing and opening against the same operations of sequoia-openpgp called bare.

use std::{
    io::{Read as _, Write as _},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use sequoia_openpgp::{
    Cert, KeyHandle, Packet,
    armor::{self, Kind},
    crypto::{KeyPair, SessionKey},
    packet::{
        Key, PKESK, SKESK, Signature,
        key::{PublicParts, UnspecifiedRole},
        signature::SignatureBuilder,
    },
    parse::{
        PacketParser, PacketParserResult, Parse as _,
        stream::{DecryptionHelper, DecryptorBuilder, MessageLayer, MessageStructure, VerificationHelper},
    },
    policy::StandardPolicy,
    serialize::{
        SerializeInto as _,
        stream::{Armorer, Encryptor, LiteralWriter, Message, Recipient, Signer},
    },
    types::{Features, HashAlgorithm, SignatureType, SymmetricAlgorithm},
};
use skcomm_tui::{
    pgp::{self, Certificate, Identity, SecretKey},
    wire::{Timestamp, limits},
};

use crate::{
    figures::{Figure, median},
    world::{now, text},
};

/// One side of a conversation, twice: as the program has it, and bare.
pub(crate) struct Party {
    secret: SecretKey,
    certificate: Certificate,
    cert: Cert,
    encryption: Key<PublicParts, UnspecifiedRole>,
    signing: KeyPair,
    decrypting: KeyPair,
}

impl Party {
    pub(crate) fn new(name: &str) -> Self {
        let identity = Identity { name: name.to_owned(), email: format!("{name}@example.org"), fqid: None };
        let made = pgp::generate(identity, None, now().plus_ms(-60_000)).unwrap();
        let cert = Cert::from_bytes(made.private_armored.as_bytes()).unwrap();
        let policy = StandardPolicy::new();
        let keys = || cert.keys().with_policy(&policy, None).secret();
        let signing = keys().for_signing().next().unwrap().key().clone().into_keypair().unwrap();
        let decrypting = keys().for_transport_encryption().next().unwrap().key().clone().into_keypair().unwrap();
        let encryption = decrypting.public().clone();
        let certificate = made.secret.certificate().clone();
        Self {
            secret: made.secret,
            certificate,
            cert: cert.strip_secret_key_material(),
            encryption,
            signing,
            decrypting,
        }
    }
}

/// The operations of sequoia with keys and certificates at hand, and nothing around them.
mod bare {
    use super::*;

    pub(super) fn seal(from: &Party, to: &Party, plaintext: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(4096);
        let message = Armorer::new(Message::new(&mut sealed)).kind(Kind::Message).build().unwrap();
        let features = Features::empty().set_seipdv1();
        let handle = KeyHandle::from(to.encryption.keyid());
        let recipients = [Recipient::new(features, handle, &to.encryption)];
        let encryptor = Encryptor::for_recipients(message, recipients).symmetric_algo(SymmetricAlgorithm::AES256);
        let signer = Signer::new(encryptor.build().unwrap(), from.signing.clone()).unwrap();
        let signer = signer.hash_algo(HashAlgorithm::SHA512).unwrap().add_intended_recipient(&to.cert);
        let mut literal = LiteralWriter::new(signer.build().unwrap()).build().unwrap();
        literal.write_all(plaintext).unwrap();
        literal.finalize().unwrap();
        sealed
    }

    pub(super) fn sign(from: &Party, bytes: &[u8]) -> Vec<u8> {
        let builder = SignatureBuilder::new(SignatureType::Binary).set_hash_algo(HashAlgorithm::SHA512);
        let signature = builder.sign_message(&mut from.signing.clone(), bytes).unwrap();
        let mut writer = armor::Writer::new(Vec::with_capacity(512), Kind::Signature).unwrap();
        writer.write_all(&Packet::from(signature).to_vec().unwrap()).unwrap();
        writer.finalize().unwrap()
    }

    pub(super) fn verify(from: &Party, bytes: &[u8], signature: &[u8]) {
        let PacketParserResult::Some(parser) = PacketParser::from_bytes(signature).unwrap() else {
            panic!("no packet")
        };
        let Packet::Signature(signature) = &parser.packet else { panic!("no signature") };
        Signature::verify_message(signature, from.signing.public(), bytes).unwrap();
    }

    pub(super) fn open(me: &Party, from: &Party, sealed: &[u8]) -> Vec<u8> {
        let policy = StandardPolicy::new();
        let helper = Helper { me, from };
        let mut decryptor = DecryptorBuilder::from_bytes(sealed).unwrap().with_policy(&policy, None, helper).unwrap();
        let mut plaintext = Vec::with_capacity(2048);
        decryptor.read_to_end(&mut plaintext).unwrap();
        plaintext
    }

    struct Helper<'a> {
        me: &'a Party,
        from: &'a Party,
    }

    impl VerificationHelper for Helper<'_> {
        fn get_certs(&mut self, _: &[KeyHandle]) -> sequoia_openpgp::Result<Vec<Cert>> {
            Ok(vec![self.from.cert.clone()])
        }

        fn check(&mut self, structure: MessageStructure<'_>) -> sequoia_openpgp::Result<()> {
            let good = |layer| match layer {
                MessageLayer::SignatureGroup { results } => results.iter().any(Result::is_ok),
                _ => false,
            };
            assert!(structure.into_iter().any(good), "no good signature");
            Ok(())
        }
    }

    impl DecryptionHelper for Helper<'_> {
        fn decrypt(
            &mut self,
            pkesks: &[PKESK],
            _: &[SKESK],
            cipher: Option<SymmetricAlgorithm>,
            decrypt: &mut dyn FnMut(Option<SymmetricAlgorithm>, &SessionKey) -> bool,
        ) -> sequoia_openpgp::Result<Option<Cert>> {
            let mut pair = self.me.decrypting.clone();
            let opened = pkesks[0].decrypt(&mut pair, cipher).is_some_and(|(algo, key)| decrypt(algo, &key));
            assert!(opened, "the message does not open");
            Ok(None)
        }
    }
}

/// Microseconds a call, ours and bare, and how fast we are compared to bare, in turns so that the machine's moods hit
/// both.
fn compare(name: &str, mut ours: impl FnMut(), mut bare: impl FnMut()) -> (f64, f64, Vec<Figure>) {
    const TURNS: usize = 60;
    const CALLS: u32 = 100;
    let time = |work: &mut dyn FnMut()| {
        let begun = Instant::now();
        (0..CALLS).for_each(|_| work());
        begun.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS)
    };
    (time(&mut ours), time(&mut bare));
    let mut turns: Vec<(f64, f64)> = (0..TURNS).map(|_| (time(&mut ours), time(&mut bare))).collect();
    let ratio = median(&mut turns.iter().map(|(ours, bare)| bare / ours).collect::<Vec<_>>());
    let (ours, bare) = turns.iter_mut().map(|(ours, bare)| (*ours, *bare)).unzip::<_, _, Vec<_>, Vec<_>>();
    let (ours, bare) = (median(&mut ours.clone()), median(&mut bare.clone()));
    let figures = vec![
        Figure::share(format!("{name}, speed compared to bare sequoia"), ratio, 1.0)
            .at_least(85.0)
            .note(format!("{ours:.0} µs, bare {bare:.0} µs, medians of {TURNS} turns of {CALLS}")),
    ];
    (ours, bare, figures)
}

pub(crate) fn measure() -> Vec<Figure> {
    let (alice, bob, plaintext, now) = (Party::new("alice"), Party::new("bob"), text(1024, 1), now());
    let plaintext = plaintext.as_bytes();
    let sealed = pgp::seal(&alice.secret, &bob.certificate, plaintext, now).unwrap();
    let signature = pgp::sign_detached(&alice.secret, sealed.as_bytes(), now).unwrap();
    // Both must do the same: what one sealed the other opens.
    assert_eq!(bare::open(&bob, &alice, sealed.as_bytes()), plaintext);
    let other = bare::seal(&alice, &bob, plaintext);
    assert_eq!(ours_open(&bob, &alice, &other, now), plaintext);
    let (.., seal) = compare(
        "seal 1 KiB",
        || drop(pgp::seal(&alice.secret, &bob.certificate, plaintext, now).unwrap()),
        || drop(bare::seal(&alice, &bob, plaintext)),
    );
    let (.., open) = compare(
        "open 1 KiB",
        || drop(ours_open(&bob, &alice, sealed.as_bytes(), now)),
        || drop(bare::open(&bob, &alice, sealed.as_bytes())),
    );
    let (.., sign) = compare(
        "sign 2 KiB, detached",
        || drop(pgp::sign_detached(&alice.secret, sealed.as_bytes(), now).unwrap()),
        || drop(bare::sign(&alice, sealed.as_bytes())),
    );
    let (.., verify) = compare(
        "verify 2 KiB, detached",
        || assert!(pgp::verify_detached(&alice.certificate, sealed.as_bytes(), signature.as_bytes(), now).is_ok()),
        || bare::verify(&alice, sealed.as_bytes(), signature.as_bytes()),
    );
    [seal, open, sign, verify].concat()
}

fn ours_open(me: &Party, from: &Party, sealed: &[u8], now: Timestamp) -> Vec<u8> {
    pgp::open(&me.secret, &from.certificate, sealed, limits::BODY_BYTES, now).unwrap().plaintext.to_vec()
}

/// Messages a second that the bare cryptography allows on all cores: seal, sign, verify and open, nothing else.
/// The best of a few turns: what the machine can do, not what others left of it.
pub(crate) fn ceiling() -> f64 {
    const TURNS: usize = 3;
    const TURN: Duration = Duration::from_millis(700);
    let (alice, bob, plaintext) = (Party::new("alice"), Party::new("bob"), text(1024, 1));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let turn = || {
        let (done, begun) = (AtomicU64::new(0), Instant::now());
        std::thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(|| {
                    while begun.elapsed() < TURN {
                        let sealed = bare::seal(&alice, &bob, plaintext.as_bytes());
                        let signature = bare::sign(&alice, &sealed);
                        bare::verify(&alice, &sealed, &signature);
                        assert_eq!(bare::open(&bob, &alice, &sealed).len(), plaintext.len());
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
    };
    (0..TURNS).map(|_| turn()).fold(0.0, f64::max)
}
