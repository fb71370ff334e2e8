//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): HChaCha20 makes a key of its own for each nonce, under which
//! ChaCha20-Poly1305 (RFC 8439) seals.
//!
//! The second is ring's, which is linked for TLS: sealing one of the store's short values takes it a quarter of the time that
//! the implementation in Rust needs to get ready.

use chacha20::{cipher::consts::U10, hchacha};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

/// Bytes of a nonce.
pub(super) const NONCE: usize = 24;
/// Bytes of a tag.
pub(super) const TAG: usize = 16;
/// Bytes of a nonce that go into the key.
const SALT: usize = 16;

/// What was to be opened is not authentic; what was to be sealed is longer than the cipher can take (256 GiB).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failed;

/// The cipher with its key, which is wiped when dropped. ring's copies of the keys for single nonces are not: each has
/// sealed one value and says nothing of others.
pub(super) struct Cipher(Zeroizing<[u8; 32]>);

impl Cipher {
    pub(super) fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    /// Encrypts `text` in its place; the tag covers it and `beside`.
    pub(super) fn seal(&self, nonce: &[u8; NONCE], beside: &[u8], text: &mut [u8]) -> Result<[u8; TAG], Failed> {
        let (key, nonce) = self.for_nonce(nonce)?;
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(beside), text).map_err(|_| Failed)?;
        tag.as_ref().try_into().map_err(|_| Failed)
    }

    /// Decrypts in its place what ends with the tag, and cuts that off. When it is not authentic, what `sealed` holds
    /// then means nothing.
    pub(super) fn open(&self, nonce: &[u8; NONCE], beside: &[u8], sealed: &mut Vec<u8>) -> Result<(), Failed> {
        let (key, nonce) = self.for_nonce(nonce)?;
        let length = key.open_in_place(nonce, Aad::from(beside), sealed).map_err(|_| Failed)?.len();
        sealed.truncate(length);
        Ok(())
    }

    fn for_nonce(&self, nonce: &[u8; NONCE]) -> Result<(LessSafeKey, Nonce), Failed> {
        let (salt, rest) = nonce.split_first_chunk::<SALT>().ok_or(Failed)?;
        // Twenty rounds, ten of each kind.
        let key = Zeroizing::new(<[u8; 32]>::from(hchacha::<U10>((&*self.0).into(), salt.into())));
        let key = UnboundKey::new(&CHACHA20_POLY1305, key.as_slice()).map_err(|_| Failed)?;
        let mut short = [0; 12];
        short[4..].copy_from_slice(rest);
        Ok((LessSafeKey::new(key), Nonce::assume_unique_for_key(short)))
    }
}

#[cfg(test)]
mod tests {
    use chacha20poly1305::{
        KeyInit as _, XChaCha20Poly1305,
        aead::{Aead as _, Payload},
    };
    use proptest::prelude::*;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let text: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        text.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    /// The example in appendix A.3.1 of the draft.
    #[test]
    fn the_example_of_the_draft_comes_out() {
        let key = hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
        let nonce = hex("404142434445464748494a4b4c4d4e4f5051525354555657");
        let beside = hex("50515253c0c1c2c3c4c5c6c7");
        let cipher = Cipher::new(Zeroizing::new(key.try_into().unwrap()));
        let mut text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
            sunscreen would be it."
            .to_vec();
        let tag = cipher.seal(nonce.as_slice().try_into().unwrap(), &beside, &mut text).unwrap();
        assert_eq!(text[..16], hex("bd6d179d3e83d43b9576579493c0e939"));
        assert_eq!(tag.as_slice(), hex("c0875924c1c7987947deafd8780acf49"));
    }

    proptest! {
        /// Stores that were written with it must be read.
        #[test]
        fn it_is_what_the_implementation_in_rust_makes(
            key: [u8; 32],
            nonce: [u8; NONCE],
            text in proptest::collection::vec(any::<u8>(), 0..300),
            beside in proptest::collection::vec(any::<u8>(), 0..50),
            wrong in any::<prop::sample::Index>(),
        ) {
            let other = XChaCha20Poly1305::new(&key.into());
            let want = other.encrypt(&nonce.into(), Payload { msg: &text, aad: &beside }).unwrap();
            let cipher = Cipher::new(Zeroizing::new(key));
            let mut sealed = text.clone();
            let tag = cipher.seal(&nonce, &beside, &mut sealed).unwrap();
            sealed.extend_from_slice(&tag);
            prop_assert_eq!(&sealed, &want);

            let mut changed = sealed.clone();
            changed[wrong.index(sealed.len())] ^= 1;
            prop_assert_eq!(cipher.open(&nonce, &beside, &mut changed), Err(Failed));
            cipher.open(&nonce, &beside, &mut sealed).unwrap();
            prop_assert_eq!(sealed, text);
        }
    }

    #[test]
    fn what_is_shorter_than_a_tag_is_not_authentic() {
        let cipher = Cipher::new(Zeroizing::new([1; 32]));
        for length in 0..TAG {
            assert_eq!(cipher.open(&[0; NONCE], b"", &mut vec![0; length]), Err(Failed));
        }
    }
}
