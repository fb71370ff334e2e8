//! A small world to look at: real nodes with their own keys and stores in a temporary folder, talking over three real
//! transports. Nothing here is pretended: what the screen shows is what the nodes do.
//!
//! A transport can be knocked out for real: listeners close, the relay stops, the shared folder goes away.

mod cast;
mod outage;
mod scratch;
mod world;

pub use world::{Demo, DemoError, DemoOptions, GREETER};
