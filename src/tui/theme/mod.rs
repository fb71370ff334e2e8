//! Themes: styles by meaning.
//!
//! The presets in `themes/` are the single source of defaults; a user's file is a patch over the one it
//! inherits. A theme holds true colours; [`Theme::adapted`] brings them down to what the terminal can show.

mod color;
mod load;
mod role;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use ratatui::style::Style;

pub use color::{ColorDepth, contrast};
pub use load::PRESETS;
pub use role::{Role, Use};

/// Styles by meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Theme {
    name: String,
    /// Whether it is made for a dark background; none when it leaves the background alone.
    dark: Option<bool>,
    styles: BTreeMap<Role, Style>,
}

impl Theme {
    /// Its name: the preset's, or the user's file stem.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is made for a dark background; none when it leaves the background to the terminal.
    pub fn is_dark(&self) -> Option<bool> {
        self.dark
    }

    /// The style of a role. What it leaves open (most leave the background, some the colour) is that of the
    /// surface below: set [`Role::Text`], [`Role::Overlay`] or [`Role::Status`] on the area first, a selection last.
    pub fn style(&self, role: Role) -> Style {
        self.styles.get(&role).copied().unwrap_or_default()
    }

    /// The same theme in the colours that the terminal can show.
    #[must_use]
    pub fn adapted(mut self, depth: ColorDepth) -> Self {
        let page = self.style(Role::Text).bg;
        for style in self.styles.values_mut() {
            *style = color::adapt(*style, page, depth);
        }
        self
    }
}
