//! ASCII armor (RFC 9580 section 6), read strictly: exactly one block of the expected kind.

use std::{
    borrow::Cow,
    io::{Read as _, Write as _},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sequoia_openpgp::armor::{Kind, Reader, ReaderMode, Writer};

use super::PgpError;

const BEGIN: &[u8] = b"-----BEGIN PGP ";
const END: &[u8] = b"-----END PGP ";

/// The binary form of `input`, which is armored or binary; `what` names it in errors.
///
/// The output is never longer than the input. Text before, between or after the block is refused:
/// what a face shows as one thing must be one thing.
pub(super) fn dearmor<'a>(input: &'a [u8], kind: Kind, what: &'static str) -> Result<Cow<'a, [u8]>, PgpError> {
    let malformed = || PgpError::Malformed { what };
    // Every packet header has its top bit set (RFC 9580 section 4.2), no armor has.
    if input.first().is_some_and(|byte| byte & 0x80 != 0) {
        return Ok(Cow::Borrowed(input));
    }
    let text = input.trim_ascii();
    if let Some(binary) = plain_block(text, &kind) {
        return Ok(Cow::Owned(binary));
    }
    if !text.starts_with(BEGIN) || count(text, BEGIN) != 1 || count(text, END) != 1 || !ends_with_footer(text) {
        return Err(malformed());
    }
    let mut binary = Vec::with_capacity(text.len() / 4 * 3);
    let mut reader = Reader::from_bytes(text, ReaderMode::Tolerant(Some(kind)));
    reader.read_to_end(&mut binary).map_err(|_| malformed())?;
    if binary.is_empty() { Err(malformed()) } else { Ok(Cow::Owned(binary)) }
}

/// Characters of a line of armor, and its end.
const LINE: usize = 64 + 1;

/// What is in a block as this program and most others write it: no headers, full lines, perhaps a checksum, which is not
/// looked at (RFC 9580 section 6.1). None for anything else: that is left to the reader that knows all forms, and takes longer.
fn plain_block(text: &[u8], kind: &Kind) -> Option<Vec<u8>> {
    let label: &[u8] = match kind {
        Kind::Message => b"MESSAGE-----",
        Kind::Signature => b"SIGNATURE-----",
        _ => return None,
    };
    let body = text.strip_prefix(BEGIN)?.strip_prefix(label)?.strip_prefix(b"\n\n")?;
    let body = body.strip_suffix(label)?.strip_suffix(END)?.strip_suffix(b"\n")?;
    let data = match body.len().checked_sub(6).and_then(|at| body.split_at_checked(at)) {
        Some((data, [b'\n', b'=', sum @ ..])) if STANDARD.decode(sum).is_ok_and(|sum| sum.len() == 3) => data,
        _ => body,
    };
    let mut characters = Vec::with_capacity(data.len());
    for line in data.chunks(LINE) {
        // In a line of another length its end stays, and is no character of base64.
        let full = line.strip_suffix(b"\n").filter(|_| line.len() == LINE);
        characters.extend_from_slice(full.unwrap_or(line));
    }
    STANDARD.decode(characters).ok().filter(|binary| !binary.is_empty())
}

/// Whether the armored `input` says that it is a private key.
pub(super) fn says_private(input: &[u8]) -> bool {
    input.trim_ascii_start().starts_with(b"-----BEGIN PGP PRIVATE KEY BLOCK-----")
}

/// Armors `binary`.
pub(super) fn enarmor(binary: &[u8], kind: Kind) -> Result<String, PgpError> {
    let doing = "armor";
    let io = |error: std::io::Error| PgpError::backend(doing)(error.into());
    let mut writer = Writer::new(Vec::with_capacity(binary.len() / 3 * 4 + 256), kind).map_err(io)?;
    writer.write_all(binary).map_err(io)?;
    let armored = writer.finalize().map_err(io)?;
    String::from_utf8(armored).map_err(|error| PgpError::backend(doing)(error.into()))
}

fn count(text: &[u8], mark: &[u8]) -> usize {
    text.windows(mark.len()).filter(|window| *window == mark).count()
}

/// Whether the last line is an armor footer and nothing follows it.
fn ends_with_footer(text: &[u8]) -> bool {
    let last = text.rsplit(|byte| *byte == b'\n').next().unwrap_or(text);
    last.starts_with(END) && last.ends_with(b"-----")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tolerant(text: &[u8], kind: Kind) -> Option<Vec<u8>> {
        let mut binary = Vec::new();
        Reader::from_bytes(text, ReaderMode::Tolerant(Some(kind))).read_to_end(&mut binary).ok()?;
        Some(binary)
    }

    #[test]
    fn a_checksum_is_passed_over_and_whatever_else_is_unusual_is_left_to_the_other_reader() {
        let armored = |lines: &str| format!("-----BEGIN PGP MESSAGE-----\n\n{lines}\n-----END PGP MESSAGE-----");
        let read = |lines: &str| plain_block(armored(lines).as_bytes(), &Kind::Message);
        assert_eq!(read("yDMI"), Some(vec![0xC8, 0x33, 0x08]));
        assert_eq!(read("yDMI\n=njUN"), Some(vec![0xC8, 0x33, 0x08]));
        for odd in [
            "yDM",
            "yDMI\n\n=njUN",
            "yDMI\r\n=njUN",
            "yD\nMI",
            "Comment: x\n\nyDMI",
            "yDM=\nyDMI",
            " yDMI",
            "",
            "=njUN",
        ] {
            assert_eq!(read(odd), None, "{odd:?}");
        }
        assert_eq!(plain_block(armored("yDMI").as_bytes(), &Kind::Signature), None);
    }

    proptest! {
        #[test]
        fn what_was_armored_is_read_plainly(binary in proptest::collection::vec(any::<u8>(), 1..400)) {
            let armored = enarmor(&binary, Kind::Signature).unwrap();
            prop_assert_eq!(plain_block(armored.trim_ascii().as_bytes(), &Kind::Signature), Some(binary));
        }

        #[test]
        fn both_readers_read_the_same(
            binary in proptest::collection::vec(any::<u8>(), 1..200),
            changes in proptest::collection::vec((any::<prop::sample::Index>(), "[A-Za-z0-9+/= \r\n:-]?"), 0..4),
        ) {
            let mut text = enarmor(&binary, Kind::Message).unwrap();
            for (at, with) in changes {
                let at = at.index(text.len());
                text.replace_range(at..=at, &with);
            }
            let text = text.trim_ascii().as_bytes();
            if let Some(plain) = plain_block(text, &Kind::Message) {
                prop_assert_eq!(Some(plain), tolerant(text, Kind::Message));
            }
        }
    }
}
