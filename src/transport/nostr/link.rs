//! The link to one relay: a connection that is always kept where we read our mail, and made when it is needed elsewhere.

use std::sync::Arc;

use nostr_sdk::Keys;
use rustls::ClientConfig;
use tokio::time::timeout;

use super::{
    config::{LoginAs, NostrSettings},
    connection::Connection,
    mail::MailPlan,
    session::{self, Manner, SOCKET_BYTES},
};
use crate::{
    transport::{
        SendError,
        link::{Board, Dial, Failure, Live as _, until_unused},
        websocket::{
            address::RelayAddress,
            dial::{open, web_config},
        },
    },
    wire::SafeText,
};

/// What all links have in common.
pub(super) struct Common {
    pub(super) settings: NostrSettings,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) keys: Keys,
}

/// How one relay is reached, and what is done there.
pub(super) struct Relay {
    pub(super) address: RelayAddress,
    /// Present where we read our mail.
    pub(super) mail: Option<MailPlan>,
    pub(super) common: Arc<Common>,
}

impl Dial for Relay {
    type Session = Connection;

    fn is_on_demand(&self) -> bool {
        self.mail.is_none()
    }

    async fn dial(&mut self) -> Result<Arc<Connection>, Failure> {
        let (settings, tls) = (&self.common.settings, self.common.tls.clone());
        let place = SafeText::line(&self.address.authority());
        let opened = timeout(settings.connect, open(&self.address, tls, None, web_config(SOCKET_BYTES))).await;
        let socket = opened.unwrap_or_else(|_| Err(SendError::late(&place, settings.connect).reason.into()))?;
        // Mail is only given to its owner; to leave something, no name is needed.
        let own = self.mail.is_some() || settings.login == LoginAs::Own;
        let manner = Manner {
            relay: place.clone(),
            url: self.address.to_string(),
            login: if own { self.common.keys.clone() } else { Keys::generate() },
            own,
            answer: settings.answer,
            keepalive: settings.keepalive,
        };
        let (connection, ends) = Connection::new(place);
        tokio::spawn(session::run(socket, manner, self.mail.as_ref().map(MailPlan::mail), ends));
        connection.ready().await;
        Ok(connection)
    }

    async fn attend(&mut self, connection: Arc<Connection>, board: &Board<Connection>) -> Option<Failure> {
        board.up(&connection);
        if self.mail.is_none() {
            return until_unused(&connection, board, self.common.settings.idle, Connection::unused_for).await;
        }
        let mut trouble = connection.watch_trouble();
        loop {
            tokio::select! {
                failure = connection.life().ended() => return Some(failure),
                // What the session finds out later on is told as well.
                () = connection.trouble_changed(&mut trouble) => board.touch(),
            }
        }
    }
}
