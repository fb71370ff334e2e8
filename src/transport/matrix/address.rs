//! The address of a peer: its Matrix user.

use matrix_sdk::ruma::{OwnedUserId, UserId};

use crate::transport::{ConfigError, settings::problem};

const WANTED: &str = "a Matrix user looks like @lumina:matrix.example";
/// Longest user id, in bytes (Matrix specification, appendix "User Identifiers").
const USER_BYTES: usize = 255;

/// Reads a user out of `setting`: `@NAME:SERVER`, strictly in the form that servers give to new users.
///
/// # Errors
/// Says what a right one looks like.
pub(super) fn user(setting: &str, text: &str) -> Result<OwnedUserId, ConfigError> {
    let wrong = |why: &str| problem(setting, format!("{why}; {WANTED}"));
    if text.len() > USER_BYTES {
        return Err(wrong("it is too long"));
    }
    let user = UserId::parse(text).map_err(|_| wrong("this is not a user"))?;
    user.validate_strict().map_err(|_| wrong("the name before the colon has letters that no user has"))?;
    Ok(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_and_what_is_none_says_what_would_be_one() {
        for text in ["@lumina:matrix.example", "@a.b-c_d=e/f+1:localhost:8448", "@x:[::1]:80"] {
            assert_eq!(user("address", text).unwrap().as_str(), text);
        }
        let long = format!("@{}:matrix.example", "a".repeat(250));
        for text in
            ["", "lumina", "@lumina", "#room:matrix.example", "@Lumina:x y", "@UP:matrix.example", "@\u{202e}:x", &long]
        {
            let error = user("address", text).unwrap_err();
            assert!(error.problem.contains("@lumina:matrix.example"), "{text}: {error}");
        }
    }
}
