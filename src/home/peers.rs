//! peers/NAME.yml and peers/NAME.pub.asc.

use std::path::PathBuf;

use super::{Home, HomeError, files};
use crate::identity::{PeerName, PeerProfile};

/// A peer as it lies in the folder.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredPeer {
    /// What the user knows and decided.
    pub profile: PeerProfile,
    /// The pinned certificate, armored.
    pub certificate: Option<String>,
    /// The certificate of an undecided conflict, armored.
    pub conflicting: Option<String>,
}

impl Home {
    fn peer_path(&self, name: &PeerName, extension: &str) -> PathBuf {
        self.root.join("peers").join(format!("{}.{extension}", name.folded()))
    }

    /// Reads all peers. A broken file does not hide the others.
    ///
    /// # Errors
    /// Only when the folder cannot be read.
    pub fn peers(&self) -> Result<Vec<Result<StoredPeer, HomeError>>, HomeError> {
        let read = |path: &PathBuf| {
            let profile: PeerProfile =
                files::read_yaml(path)?.ok_or_else(|| HomeError::invalid(path, None, "it is empty"))?;
            // Otherwise a change would be written beside it, and both would be read at the next start.
            let proper = self.peer_path(&profile.name, "yml");
            if *path != proper {
                let problem = format!("it describes {}; rename it to {}", profile.name, files::file_name(&proper));
                return Err(HomeError::invalid(path, None, problem));
            }
            let text = |extension: &str| -> Result<Option<String>, HomeError> {
                let path = path.with_extension(extension);
                let bytes = files::read_bounded(&path)?;
                bytes
                    .map(|b| String::from_utf8(b).map_err(|_| HomeError::invalid(&path, None, "it is not armored")))
                    .transpose()
            };
            Ok(StoredPeer { certificate: text("pub.asc")?, conflicting: text("new.asc")?, profile })
        };
        Ok(files::list(&self.root.join("peers"), "yml")?.iter().map(read).collect())
    }

    /// Replaces a peer's files. The certificates go first, so that a profile never names a key that is not there.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn save_peer(&self, peer: &StoredPeer) -> Result<(), HomeError> {
        let name = &peer.profile.name;
        for (extension, content) in [("pub.asc", &peer.certificate), ("new.asc", &peer.conflicting)] {
            let path = self.peer_path(name, extension);
            match content {
                Some(armor) => files::write_private(&path, armor.as_bytes())?,
                None => remove(&path)?,
            }
        }
        files::write_yaml(&self.peer_path(name, "yml"), &peer.profile)
    }

    /// Removes a peer's files.
    ///
    /// # Errors
    /// When they cannot be removed.
    pub fn remove_peer(&self, name: &PeerName) -> Result<(), HomeError> {
        ["yml", "pub.asc", "new.asc"].iter().try_for_each(|extension| remove(&self.peer_path(name, extension)))
    }
}

fn remove(path: &std::path::Path) -> Result<(), HomeError> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(HomeError::io(path)(e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_edited_by_hand_are_refused_with_file_and_line() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        home.create().unwrap();
        for (file, text, expected) in [
            ("a.yml", "name: a\ntrust: almighty\n", "a.yml:2"),
            ("b.yml", "name: b\nfingerprint: 12\n", "b.yml:2"),
            ("c.yml", "name: c\ntrust: verified\ntrsut: verified\n", "c.yml:3"),
            ("d.yml", "name: ../d\n", "d.yml:1"),
            ("e.yml", "name: somebody\n", "rename it to somebody.yml"),
            ("F.yml", "name: F\n", "rename it to f.yml"),
        ] {
            let path = dir.path().join("peers").join(file);
            std::fs::write(&path, text).unwrap();
            let error = home.peers().unwrap().remove(0).unwrap_err().to_string();
            assert!(error.contains(expected), "{file}: {error}");
            std::fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn names_that_are_parts_of_each_other_share_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        home.create().unwrap();
        let peers: Vec<StoredPeer> = ["a", "a.new", "a.pub", "a.yml", "con", "nul."]
            .into_iter()
            .map(|name| StoredPeer {
                profile: PeerProfile::new(name.parse().unwrap()),
                certificate: Some(format!("{name} old")),
                conflicting: Some(format!("{name} new")),
            })
            .collect();
        peers.iter().for_each(|peer| home.save_peer(peer).unwrap());
        let mut read: Vec<StoredPeer> = home.peers().unwrap().into_iter().map(Result::unwrap).collect();
        read.sort_by(|a, b| a.profile.name.cmp(&b.profile.name));
        assert_eq!(read, peers);
        home.remove_peer(&peers[0].profile.name).unwrap();
        assert_eq!(home.peers().unwrap().len(), peers.len() - 1);
    }

    #[test]
    fn peers_round_trip_and_a_broken_one_hides_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        home.create().unwrap();
        let mut profile = PeerProfile::new("Lumina.v2".parse().unwrap());
        profile.note(crate::wire::Timestamp::from_unix_ms(1), "pinned");
        profile.add_route(crate::identity::RouteEntry {
            transport: "tcp".parse().unwrap(),
            address: "127.0.0.1:9999".into(),
        });
        let peer = StoredPeer { profile, certificate: Some("ARMOR".into()), conflicting: None };
        home.save_peer(&peer).unwrap();
        std::fs::write(dir.path().join("peers/broken.yml"), "name: [").unwrap();
        let read = home.peers().unwrap();
        assert_eq!(read.len(), 2);
        assert!(read[0].as_ref().unwrap_err().to_string().contains("broken.yml:1"));
        assert_eq!(read[1].as_ref().unwrap(), &peer);
        home.remove_peer(&peer.profile.name).unwrap();
        assert_eq!(home.peers().unwrap().len(), 1);
    }
}
