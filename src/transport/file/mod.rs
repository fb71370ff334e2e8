//! The `file` transport (being built).
use crate::transport::{ConfigError, Context, Kind, Transport, TransportConfig};
use std::sync::Arc;
/// The registry's line for this kind.
pub const KIND: Kind =
    Kind { name: "file", summary: "a shared folder: NFS, SSHFS, Nextcloud, a USB stick", default_priority: 40, build };
fn build(_config: &TransportConfig, _context: Context) -> Result<Arc<dyn Transport>, ConfigError> {
    Err(ConfigError { setting: "type".into(), problem: "not built yet".into() })
}
