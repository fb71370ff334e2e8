//! Values that need more than their type to be read.

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser as _, ValueParser},
};

use crate::{
    delivery::{Policy, TransportId},
    identity::{RoutingDefault, RoutingDefaults, TrustLevel},
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

pub(super) fn policy() -> ValueParser {
    let names = PossibleValuesParser::new(Policy::ALL.map(Policy::as_str));
    names.try_map(|name| name.parse::<Policy>()).into()
}

fn default_name() -> ValueParser {
    let named = |name: String| RoutingDefault::ALL.into_iter().find(|which| which.as_str() == name);
    let names = PossibleValuesParser::new(RoutingDefault::ALL.map(RoutingDefault::as_str));
    names.try_map(move |name| named(name).ok_or_else(|| std::io::Error::other("not a default"))).into()
}

pub(super) fn ttl() -> ValueParser {
    clap::value_parser!(u64).range(1..=crate::wire::limits::TTL_SECONDS_MAX).into()
}

/// What messages get that ask for nothing else.
#[derive(Clone, Debug, Args)]
pub struct DefaultsArgs {
    /// How many paths they take, and which are allowed
    #[arg(long, value_parser = mode())]
    pub mode: Option<Mode>,
    /// Which of the allowed paths is the best
    #[arg(long, value_parser = policy())]
    pub policy: Option<Policy>,
    /// How much they matter
    #[arg(long, value_parser = urgency())]
    pub urgency: Option<Urgency>,
    /// Given up after so many seconds, at most 28 days
    #[arg(long, value_name = "SECONDS", value_parser = ttl())]
    pub ttl: Option<u64>,
}

/// A change of what messages get that ask for nothing else.
#[derive(Clone, Debug, Args)]
pub struct DefaultsChange {
    /// What to set
    #[command(flatten)]
    pub set: DefaultsArgs,
    /// Unset these, so that the next more general default applies again
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = default_name())]
    pub clear: Vec<RoutingDefault>,
}

impl DefaultsArgs {
    /// As the node takes them.
    pub fn defaults(&self) -> RoutingDefaults {
        RoutingDefaults { mode: self.mode, policy: self.policy, urgency: self.urgency, ttl_seconds: self.ttl }
    }
}

pub(super) fn urgency() -> ValueParser {
    let names = PossibleValuesParser::new(["low", "normal", "high", "critical"]);
    names.try_map(|name| name.parse::<Urgency>()).into()
}

pub(super) fn trust_level() -> ValueParser {
    let names = PossibleValuesParser::new(TrustLevel::ALL.map(TrustLevel::name));
    names.try_map(|name| name.parse::<TrustLevel>().map_err(std::io::Error::other)).into()
}
