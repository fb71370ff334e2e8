//! A fingerprint as words, for reading aloud.

use crate::wire::Fingerprint;

/// Bits a word stands for.
const BITS: usize = 11;

/// The whole fingerprint as words of the English list of BIP-39 (2048 words, no two with the same first four
/// letters): 15 words for version 4, 24 for version 6.
///
/// The fingerprint is read as one bit string, most significant bit first; each 11 bits are the index of a word in
/// the list; the last word is filled with zero bits (five for 160 bits, eight for 256). There is no checksum and
/// nothing is left out: words are equal if and only if fingerprints are. This is not a BIP-39 mnemonic.
pub fn fingerprint_words(fingerprint: &Fingerprint) -> Vec<&'static str> {
    let list = bip39::Language::English.word_list();
    let bytes = fingerprint.as_bytes();
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| usize::from(byte >> (7 - at % 8) & 1));
    (0..bytes.len() * 8)
        .step_by(BITS)
        .map(|start| list[(start..start + BITS).fold(0, |index, at| index << 1 | bit(at))])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_bits_of_the_fingerprint() {
        let zero = Fingerprint::from_bytes(&[0; 20]).unwrap();
        assert_eq!(fingerprint_words(&zero), vec!["abandon"; 15]);
        let ones = Fingerprint::from_bytes(&[0xFF; 20]).unwrap();
        let words = fingerprint_words(&ones);
        assert_eq!(words[..14], vec!["zoo"; 14]);
        // 160 = 14 * 11 + 6: six one bits and five zero bits are index 2016.
        assert_eq!(words[14], bip39::Language::English.word_list()[0b111_1110_0000]);
        assert_eq!(fingerprint_words(&Fingerprint::from_bytes(&[0xFF; 32]).unwrap()).len(), 24);
    }

    #[test]
    fn every_bit_changes_a_word() {
        let base = [0x5A; 20];
        let words = fingerprint_words(&Fingerprint::from_bytes(&base).unwrap());
        for bit in 0..160 {
            let mut other = base;
            other[bit / 8] ^= 0x80 >> (bit % 8);
            let changed = fingerprint_words(&Fingerprint::from_bytes(&other).unwrap());
            let differing: Vec<_> = (0..15).filter(|i| words[*i] != changed[*i]).collect();
            assert_eq!(differing, [bit / 11]);
        }
    }
}
