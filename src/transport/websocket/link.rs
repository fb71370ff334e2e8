//! The link to one relay: a connection that is made when it is needed, or always kept where our own mailbox is.

use std::{sync::Arc, time::Duration};

use super::{
    address::RelayAddress,
    connection::Connection,
    dial::{Dialer, Login},
    inbox::Mail,
};
use crate::{
    transport::link::{Board, Dial, Failure, Live as _, until_unused},
    wire::SafeText,
};

/// How one relay is reached, and what is done there.
pub(super) struct Relay {
    pub(super) address: RelayAddress,
    pub(super) login: Login,
    /// Present where our own mailbox is: the link is always kept, and this is where the mail goes.
    pub(super) mail: Option<Mail>,
    pub(super) idle: Duration,
    pub(super) keepalive: Duration,
    pub(super) dialer: Arc<Dialer>,
}

impl Dial for Relay {
    type Session = Connection;

    fn is_on_demand(&self) -> bool {
        self.mail.is_none()
    }

    async fn dial(&mut self) -> Result<Arc<Connection>, Failure> {
        let place = SafeText::line(&self.address.authority());
        let logged_in = self.dialer.dial(&self.address, &self.login).await.map_err(|failure| failure.at(&place))?;
        let (connection, running) = Connection::open(logged_in, place, self.keepalive, self.mail.clone());
        tokio::spawn(running);
        Ok(connection)
    }

    async fn attend(&mut self, connection: Arc<Connection>, board: &Board<Connection>) -> Option<Failure> {
        board.up(&connection);
        let failure = match self.mail {
            Some(_) => Some(connection.life().ended().await),
            None => until_unused(&connection, board, self.idle, Connection::unused_for).await,
        };
        failure.map(|failure| failure.at(&board.place))
    }
}
