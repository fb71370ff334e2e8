//! Errors of file systems as typed reasons.

use std::path::Path;

use rustix::io::Errno;

use crate::delivery::{Reason, ReasonKind};

/// The reason for `errno` met while `doing` something at `path`.
pub(super) fn reason(doing: &str, path: &Path, errno: Errno) -> Reason {
    let path = path.display();
    let (kind, why) = match errno {
        Errno::NOSPC | Errno::DQUOT => (ReasonKind::NoSpace, "no space left there"),
        Errno::NOENT => (ReasonKind::Unreachable, "it is not there: is the folder mounted?"),
        Errno::NOTDIR | Errno::LOOP => (ReasonKind::Io, "a part of the path is not a folder"),
        Errno::ROFS => (ReasonKind::Io, "the file system is read-only"),
        Errno::ACCESS | Errno::PERM => {
            (ReasonKind::Io, "this user may not: are the folder's rights and the setting \"shared\" right?")
        }
        Errno::STALE | Errno::NODEV | Errno::NXIO | Errno::NOTCONN => {
            (ReasonKind::Unreachable, "the folder was disconnected")
        }
        Errno::TIMEDOUT | Errno::HOSTDOWN | Errno::HOSTUNREACH => {
            (ReasonKind::Unreachable, "the server of the folder does not answer")
        }
        other => return Reason::new(ReasonKind::Io, format!("{doing} {path}: {other}")),
    };
    Reason::new(kind, format!("{doing} {path}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_have_kinds_that_a_face_can_switch_on() {
        for (errno, kind) in [
            (Errno::NOSPC, ReasonKind::NoSpace),
            (Errno::DQUOT, ReasonKind::NoSpace),
            (Errno::NOENT, ReasonKind::Unreachable),
            (Errno::STALE, ReasonKind::Unreachable),
            (Errno::ROFS, ReasonKind::Io),
            (Errno::ACCESS, ReasonKind::Io),
            (Errno::IO, ReasonKind::Io),
        ] {
            let reason = reason("writing", Path::new("/srv/a\u{1b}b"), errno);
            assert_eq!(reason.kind, kind, "{errno}");
            assert!(reason.to_string().starts_with("writing /srv/a") && !reason.to_string().contains('\u{1b}'));
        }
    }
}
