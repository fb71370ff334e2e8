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
    process::{cpu_time, thread_cpu_time},
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

const TURNS: usize = 40;
const CALLS: usize = 50;

/// How fast we are compared to bare in processor time, in turns so that the machine's moods hit both. Each call gets a sample that no call
/// had before: sequoia remembers signatures it has verified, and would only look the second verification up.
fn compare<T>(name: &str, mut samples: impl FnMut() -> T, ours: impl Fn(&T), bare: impl Fn(&T)) -> Figure {
    let mut time = |work: &dyn Fn(&T)| {
        let fresh: Vec<T> = (0..CALLS).map(|_| samples()).collect();
        let before = thread_cpu_time();
        fresh.iter().for_each(work);
        (thread_cpu_time() - before).as_secs_f64() * 1e6 / CALLS as f64
    };
    time(&ours);
    time(&bare);
    let turns: Vec<(f64, f64)> = (0..TURNS).map(|_| (time(&ours), time(&bare))).collect();
    let ratio = median(&mut turns.iter().map(|(ours, bare)| bare / ours).collect::<Vec<_>>());
    let ours = median(&mut turns.iter().map(|turn| turn.0).collect::<Vec<_>>());
    let bare = median(&mut turns.iter().map(|turn| turn.1).collect::<Vec<_>>());
    Figure::share(format!("{name}, speed compared to bare sequoia"), ratio, 1.0)
        .at_least(85.0)
        .note(format!("{ours:.0} µs, bare {bare:.0} µs, medians of {TURNS} turns of {CALLS}"))
}

pub(crate) fn measure() -> Vec<Figure> {
    let (alice, bob, plaintext, now) = (Party::new("alice"), Party::new("bob"), text(1024, 1), now());
    let plaintext = plaintext.as_bytes();
    let sealed = pgp::seal(&alice.secret, &bob.certificate, plaintext, now).unwrap();
    // Both must do the same: what one sealed the other opens.
    assert_eq!(bare::open(&bob, &alice, sealed.as_bytes()), plaintext);
    let other = bare::seal(&alice, &bob, plaintext);
    assert_eq!(ours_open(&bob, &alice, &other, now), plaintext);
    let fresh = || pgp::seal(&alice.secret, &bob.certificate, plaintext, now).unwrap();
    let signed = || {
        let bytes = fresh();
        let signature = pgp::sign_detached(&alice.secret, bytes.as_bytes(), now).unwrap();
        (bytes, signature)
    };
    let ours_verify = |bytes: &str, signature: &str| {
        pgp::verify_detached(&alice.certificate, bytes.as_bytes(), signature.as_bytes(), now).unwrap()
    };
    vec![
        compare(
            "seal 1 KiB",
            || (),
            |()| drop(pgp::seal(&alice.secret, &bob.certificate, plaintext, now).unwrap()),
            |()| drop(bare::seal(&alice, &bob, plaintext)),
        ),
        compare(
            "open 1 KiB",
            fresh,
            |sealed| drop(ours_open(&bob, &alice, sealed.as_bytes(), now)),
            |sealed| drop(bare::open(&bob, &alice, sealed.as_bytes())),
        ),
        compare(
            "sign 2 KiB, detached",
            || (),
            |()| drop(pgp::sign_detached(&alice.secret, sealed.as_bytes(), now).unwrap()),
            |()| drop(bare::sign(&alice, sealed.as_bytes())),
        ),
        compare(
            "verify 2 KiB, detached",
            signed,
            |(bytes, signature)| assert!(ours_verify(bytes, signature) <= now),
            |(bytes, signature)| bare::verify(&alice, bytes.as_bytes(), signature.as_bytes()),
        ),
    ]
}

fn ours_open(me: &Party, from: &Party, sealed: &[u8], now: Timestamp) -> Vec<u8> {
    pgp::open(&me.secret, &from.certificate, sealed, limits::BODY_BYTES, now).unwrap().plaintext.to_vec()
}

/// What the bare cryptography of messages costs: seal, sign, verify and open, nothing else, on all cores at once.
pub(crate) struct Bare {
    /// Messages a second, by the clock.
    pub(crate) per_second: f64,
    /// Processor time of a message, in microseconds.
    pub(crate) cpu_us: f64,
}

/// Does nothing but cryptography, of messages of so many bytes, on all cores for so long.
pub(crate) fn bare_load(how_long: Duration, bytes: usize) -> Bare {
    let (alice, bob, plaintext) = (Party::new("alice"), Party::new("bob"), text(bytes, 1));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (done, cpu, begun) = (AtomicU64::new(0), cpu_time(std::process::id()), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while begun.elapsed() < how_long {
                    let sealed = bare::seal(&alice, &bob, plaintext.as_bytes());
                    let signature = bare::sign(&alice, &sealed);
                    bare::verify(&alice, &sealed, &signature);
                    assert_eq!(bare::open(&bob, &alice, &sealed).len(), plaintext.len());
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let done = done.load(Ordering::Relaxed) as f64;
    let cpu = cpu_time(std::process::id()) - cpu;
    Bare { per_second: done / begun.elapsed().as_secs_f64(), cpu_us: cpu.as_secs_f64() * 1e6 / done }
}
