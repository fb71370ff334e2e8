//! ASCII armor (RFC 9580 section 6), read strictly: exactly one block of the expected kind.

use std::{
    borrow::Cow,
    io::{Read as _, Write as _},
};

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
    if !text.starts_with(BEGIN) || count(text, BEGIN) != 1 || count(text, END) != 1 || !ends_with_footer(text) {
        return Err(malformed());
    }
    let mut binary = Vec::with_capacity(text.len() / 4 * 3);
    let mut reader = Reader::from_bytes(text, ReaderMode::Tolerant(Some(kind)));
    reader.read_to_end(&mut binary).map_err(|_| malformed())?;
    if binary.is_empty() { Err(malformed()) } else { Ok(Cow::Owned(binary)) }
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
