//! Aligned columns.

use unicode_width::UnicodeWidthStr as _;

use super::{
    out::{Out, Paint},
    outcome::CliError,
};

/// Rows under a header. The last column may be as wide as it likes.
pub(super) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(header: &[&str]) -> Self {
        Self { header: header.iter().map(|&name| name.to_owned()).collect(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Writes the table, or `empty` if there are no rows.
    pub(super) fn print(&self, out: &mut Out, empty: &str) -> Result<(), CliError> {
        if self.rows.is_empty() {
            return out.line(empty);
        }
        let widths: Vec<usize> = (0..self.header.len()).map(|column| self.width(column)).collect();
        let header = aligned(&self.header, &widths);
        out.line(out.paint(Paint::Dim, &header))?;
        self.rows.iter().try_for_each(|row| out.line(aligned(row, &widths)))
    }

    fn width(&self, column: usize) -> usize {
        let cells = std::iter::once(&self.header).chain(&self.rows);
        cells.filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0)
    }
}

/// Pairs of a name and a value, aligned; pairs without a value are left out.
pub(super) fn pairs(out: &mut Out, pairs: &[(&str, Option<String>)]) -> Result<(), CliError> {
    let width = pairs.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
    for (name, value) in pairs {
        if let Some(value) = value {
            let pad = " ".repeat(width - name.width());
            let name = out.paint(Paint::Dim, name);
            out.line(format!("{name}{pad}  {value}"))?;
        }
    }
    Ok(())
}

fn aligned(row: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in row.iter().zip(widths) {
        line.push_str(cell);
        line.push_str(&" ".repeat((width + 2).saturating_sub(cell.width())));
    }
    line.truncate(line.trim_end().len());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_what_is_seen() {
        let widths = [4, 3];
        assert_eq!(aligned(&["ab".into(), "x".into()], &widths), "ab    x");
        assert_eq!(aligned(&["日本".into(), "x".into()], &widths), "日本  x");
    }
}
