//! Where the passphrase comes from. Never from the command line.

use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
};

use super::{args::GlobalArgs, input, outcome::CliError};
use crate::{
    home::Home,
    node::{SetupError, unlock_identity},
    pgp::{Passphrase, PgpError, SecretKey},
};

/// Longest passphrase, in bytes.
const PASSPHRASE_BYTES: usize = 4096;
/// How often a person may mistype it.
const TRIES: usize = 3;

/// What the user named as the passphrase's source, if anything.
#[derive(Clone, Debug)]
pub(super) enum Source {
    File(PathBuf),
    Descriptor(u32),
    None,
}

impl Source {
    pub(super) fn of(global: &GlobalArgs) -> Self {
        let from_env = || std::env::var_os("SKCOMM_PASSPHRASE_FILE").filter(|v| !v.is_empty()).map(PathBuf::from);
        match (global.passphrase_fd, global.passphrase_file.clone().or_else(from_env)) {
            (Some(fd), _) => Self::Descriptor(fd),
            (None, Some(path)) => Self::File(path),
            (None, None) => Self::None,
        }
    }

    /// The passphrase, if a source was named.
    pub(super) fn read(&self) -> Result<Option<Passphrase>, CliError> {
        let path = match self {
            Self::None => return Ok(None),
            Self::File(path) => path.clone(),
            Self::Descriptor(fd) => PathBuf::from(format!("/dev/fd/{fd}")),
        };
        let file = std::fs::File::open(&path).map_err(CliError::file(&path))?;
        let line = input::first_line(file, PASSPHRASE_BYTES, &path.display().to_string())?;
        if line.is_empty() {
            return Err(CliError::Passphrase(format!("the first line of {} is empty", path.display())));
        }
        Ok(Some(Passphrase::new(line.to_vec())))
    }
}

/// Unlocks the identity, asking on the terminal if it must. Blocks.
pub(super) fn unlock(home: &Home, source: &Source) -> Result<SecretKey, CliError> {
    if let Some(passphrase) = source.read()? {
        return match unlock_identity(home, Some(&passphrase)) {
            Err(SetupError::Key(PgpError::WrongPassphrase)) => {
                Err(CliError::Passphrase("the passphrase is wrong; check the file it comes from".to_owned()))
            }
            unlocked => Ok(unlocked?),
        };
    }
    match unlock_identity(home, None) {
        Err(SetupError::Key(PgpError::PassphraseNeeded)) if io::stdin().is_terminal() => ask_and_unlock(home),
        Err(SetupError::Key(PgpError::PassphraseNeeded)) => Err(CliError::Passphrase(
            "the private key has a passphrase; give it with --passphrase-file or SKCOMM_PASSPHRASE_FILE, or start \
             `skcomm daemon` on a terminal"
                .to_owned(),
        )),
        unlocked => Ok(unlocked?),
    }
}

fn ask_and_unlock(home: &Home) -> Result<SecretKey, CliError> {
    for _ in 0..TRIES {
        let passphrase = Passphrase::new(rpassword::prompt_password("Passphrase: ")?);
        match unlock_identity(home, Some(&passphrase)) {
            Err(SetupError::Key(PgpError::WrongPassphrase)) => super::complain("That was not it."),
            unlocked => return Ok(unlocked?),
        }
    }
    Err(CliError::Passphrase(format!("the passphrase was wrong {TRIES} times")))
}

/// Asks for a new passphrase, twice. None if the user wants none.
pub(super) fn ask_new() -> Result<Option<Passphrase>, CliError> {
    if !io::stdin().is_terminal() {
        let text = "no passphrase given; use --passphrase-file FILE, --passphrase-fd N or --no-passphrase";
        return Err(CliError::Passphrase(text.to_owned()));
    }
    for _ in 0..TRIES {
        let first = zeroize::Zeroizing::new(rpassword::prompt_password("Passphrase for the new key: ")?);
        if first.is_empty() {
            super::complain("An empty one protects nothing; use --no-passphrase if you want none.");
            continue;
        }
        let second = zeroize::Zeroizing::new(rpassword::prompt_password("The same again: ")?);
        if first == second {
            return Ok(Some(Passphrase::new(first.as_bytes())));
        }
        super::complain("They differ.");
    }
    Err(CliError::Passphrase("no passphrase was set; nothing was made".to_owned()))
}
