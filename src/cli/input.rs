//! Reading files and standard input, within bounds.

use std::{
    io::{self, IsTerminal as _, Read},
    path::Path,
};

use super::outcome::CliError;

/// Reads all of `path` (`-` is standard input) as UTF-8, at most `limit` bytes.
pub(super) fn read_text(path: &Path, limit: usize) -> Result<String, CliError> {
    let bytes = if path.as_os_str() == "-" {
        bounded(io::stdin().lock(), limit, "standard input")?
    } else {
        let file = std::fs::File::open(path).map_err(CliError::file(path))?;
        bounded(file, limit, &path.display().to_string())?
    };
    String::from_utf8(bytes).map_err(|_| CliError::Input(format!("{} is not UTF-8 text", path.display())))
}

fn bounded(from: impl Read, limit: usize, what: &str) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    from.take(most).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(CliError::Input(format!("{what} has more than {limit} bytes, the most that fits here")));
    }
    Ok(bytes)
}

/// The first line of `from`, without its end.
pub(super) fn first_line(from: impl Read, limit: usize, what: &str) -> Result<zeroize::Zeroizing<Vec<u8>>, CliError> {
    let mut bytes = zeroize::Zeroizing::new(bounded(from, limit, what)?);
    if let Some(end) = bytes.iter().position(|&b| b == b'\n') {
        bytes.truncate(end);
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    Ok(bytes)
}

/// Asks for the word `wanted` on the terminal. Without a terminal there is nobody to ask.
pub(super) fn confirm(question: &str, wanted: &str) -> Result<bool, CliError> {
    if !io::stdin().is_terminal() {
        return Err(CliError::Input("this needs a confirmation; add --yes if you mean it".to_owned()));
    }
    super::complain(&format!("{question}\nType `{wanted}` to go on:"));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim() == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_much_is_refused_after_the_bound() {
        assert_eq!(bounded(&b"1234"[..], 4, "x").unwrap(), b"1234");
        // An endless source is not read to its end.
        assert!(matches!(bounded(io::repeat(b'x'), 4, "x"), Err(CliError::Input(_))));
    }

    #[test]
    fn one_line_is_a_line() {
        assert_eq!(&first_line(&b"a b\r\nrest"[..], 100, "x").unwrap()[..], b"a b");
        assert_eq!(&first_line(&b"a b"[..], 100, "x").unwrap()[..], b"a b");
    }
}
