//! The screen, driven by keys and read from its grid. Files are named after behaviours.

mod conversation;
mod files;
mod frames;
mod hostile;
mod overlays;
mod sending;
mod speed;
mod views;
mod ways;
