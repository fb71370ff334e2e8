//! The settings of a TCP transport.

use std::{net::SocketAddr, time::Duration};

use crate::transport::{ConfigError, Settings, TransportConfig, settings};

/// Every setting of the kind.
const KNOWN: &[&str] = &["listen", "max_connections", "max_connections_per_host", "connect_timeout_ms", "idle_seconds"];

/// Checked settings.
#[derive(Clone, Debug)]
pub(super) struct TcpSettings {
    /// Where to listen; a port of 0 lets the system choose. None: send only.
    pub(super) listen: Option<SocketAddr>,
    /// Most connections at once.
    pub(super) max_connections: usize,
    /// Most connections at once from one IPv4 address or one IPv6 /64.
    pub(super) max_per_host: usize,
    /// Longest time for name, connection and greeting.
    pub(super) connect_timeout: Duration,
    /// Longest silence on a connection before it counts as dead.
    pub(super) idle: Duration,
    /// A connection over which nothing was sent for so long is closed.
    pub(super) unused: Duration,
}

impl TcpSettings {
    /// Reads them from `config`.
    pub(super) fn read(config: &TransportConfig) -> Result<Self, ConfigError> {
        let settings = Settings::new(config, KNOWN)?;
        let listen = settings.get::<String>("listen")?.map(|text| listen_address(&text)).transpose()?;
        let max_connections = settings.number("max_connections", 256, 1, 65_536)? as usize;
        let max_per_host = settings.number("max_connections_per_host", 32, 1, 65_536)? as usize;
        Ok(Self {
            listen,
            max_connections,
            max_per_host: max_per_host.min(max_connections),
            connect_timeout: Duration::from_millis(settings.number("connect_timeout_ms", 5_000, 50, 120_000)?),
            idle: Duration::from_secs(settings.number("idle_seconds", 15, 2, 3_600)?),
            unused: Duration::from_secs(300),
        })
    }

    /// How often each side gives a sign of life.
    pub(super) fn ping_every(&self) -> Duration {
        self.idle / 3
    }
}

fn listen_address(text: &str) -> Result<SocketAddr, ConfigError> {
    let wanted = "wants an IP address and a port, such as 0.0.0.0:9999, 127.0.0.1:9999 or [::]:9999";
    text.parse().map_err(|_| settings::problem("listen", format!("{text:?} is not an address; {wanted}")))
}
