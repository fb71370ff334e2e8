//! Values that need more than their type to be read.

use clap::builder::{PossibleValuesParser, TypedValueParser as _, ValueParser};

use crate::{
    delivery::TransportId,
    identity::TrustLevel,
    wire::{Mode, Urgency},
};

/// `transport=address`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteArg {
    /// The own transport to use.
    pub transport: TransportId,
    /// The peer's address in that transport's notation.
    pub address: String,
}

impl std::str::FromStr for RouteArg {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let wanted = "wants TRANSPORT=ADDRESS, such as tcp=192.0.2.7:9999 or file=/srv/shared";
        let (transport, address) = s.split_once('=').ok_or(wanted)?;
        if address.is_empty() {
            return Err(wanted.to_owned());
        }
        let transport = transport.parse().map_err(|e| format!("{e}; {wanted}"))?;
        Ok(Self { transport, address: address.to_owned() })
    }
}

pub(super) fn mode() -> ValueParser {
    let names = PossibleValuesParser::new(["failover", "broadcast", "stealth", "speed"]);
    names.try_map(|name| name.parse::<Mode>()).into()
}

pub(super) fn urgency() -> ValueParser {
    let names = PossibleValuesParser::new(["low", "normal", "high", "critical"]);
    names.try_map(|name| name.parse::<Urgency>()).into()
}

pub(super) fn trust_level() -> ValueParser {
    let names = PossibleValuesParser::new(TrustLevel::ALL.map(TrustLevel::name));
    names.try_map(|name| name.parse::<TrustLevel>().map_err(std::io::Error::other)).into()
}
