//! `identity`: who we are.

use serde_json::json;

use crate::{
    cli::{
        out::Out,
        outcome::{CliError, Outcome},
        session::Place,
        table,
    },
    home::Home,
    pgp::{Certificate, fingerprint_words},
    wire::SafeText,
};

pub(super) fn run(place: &Place, out: &mut Out) -> Result<Outcome, CliError> {
    place.check_identity()?;
    show(&place.home, out)?;
    Ok(Outcome::Done)
}

/// The own certificate as it lies in the home.
pub(super) fn own_certificate(home: &Home) -> Result<Certificate, CliError> {
    let path = home.public_key_path();
    let bytes = std::fs::read(&path).map_err(CliError::file(&path))?;
    Certificate::parse(&bytes).map_err(|source| CliError::Key { what: path.display().to_string(), source })
}

/// Prints who the owner of `home` is.
pub(super) fn show(home: &Home, out: &mut Out) -> Result<(), CliError> {
    let config = home.config()?;
    let certificate = own_certificate(home)?;
    let (fingerprint, facts) = (certificate.fingerprint(), certificate.facts());
    let words = fingerprint_words(&fingerprint);
    let fqid = config.identity.fqid.as_ref().map(ToString::to_string);
    if out.json() {
        return out.object(&json!({
            "name": SafeText::line(&config.identity.name),
            "fqid": fqid,
            "fingerprint": fingerprint,
            "words": words,
            "algorithms": facts.algorithms,
            "created": facts.created,
            "expires": facts.expires,
            "revoked": facts.revoked,
            "home": home.root().display().to_string(),
        }));
    }
    // Five words a line: as many as one says in a breath.
    let words = words.chunks(5).map(|line| line.join(" ")).collect::<Vec<_>>().join("\n             ");
    table::pairs(
        out,
        &[
            ("name", Some(SafeText::line(&config.identity.name).into_string())),
            ("fqid", fqid),
            ("fingerprint", Some(fingerprint.grouped())),
            ("words", Some(words)),
            ("key", Some(facts.algorithms.join(" + "))),
            ("revoked", facts.revoked.then(|| "yes: do not use it any more".to_owned())),
            ("home", Some(SafeText::line(&home.root().display().to_string()).into_string())),
        ],
    )
}
