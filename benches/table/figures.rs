//! Figures, what they are held to, and the table they make.

use std::{any::Any, fmt, path::Path, time::Duration};

use serde::Serialize;

/// What a figure is held to.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
}

impl Target {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }
}

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    name: String,
    /// What it is of, where the same is measured of several things: these make a table of their own, with a column each.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<&'static str>,
    /// None when it could not be measured; then `note` says why.
    value: Option<f64>,
    unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    met: Option<bool>,
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
}

impl Figure {
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), of: None, value: Some(value), unit, target: None, met: None, note: String::new() }
    }

    pub(crate) fn not_measured(name: impl Into<String>, why: impl fmt::Display) -> Self {
        let note = format!("not measured: {why}");
        Self { name: name.into(), of: None, value: None, unit: "", target: None, met: None, note }
    }

    /// A share of a reference, in percent.
    pub(crate) fn share(name: impl Into<String>, value: f64, of: f64) -> Self {
        Self::new(name, 100.0 * value / of, "%")
    }

    pub(crate) fn ms(name: impl Into<String>, value: Duration) -> Self {
        Self::new(name, value.as_secs_f64() * 1e3, "ms")
    }

    pub(crate) fn at_least(self, least: f64) -> Self {
        self.held_to(Target::AtLeast(least))
    }

    pub(crate) fn at_most(self, most: f64) -> Self {
        self.held_to(Target::AtMost(most))
    }

    fn shown(&self) -> String {
        self.value.map_or_else(|| "–".to_owned(), |value| format!("{} {}", rounded(value), self.unit))
    }

    fn held_to(mut self, target: Target) -> Self {
        self.target = Some(target);
        self.met = self.value.map(|value| target.is_met(value));
        self
    }

    pub(crate) fn of(mut self, thing: &'static str) -> Self {
        self.of = Some(thing);
        self
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

/// All figures of a run and the circumstances.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    version: &'static str,
    machine: String,
    /// Runnable processes averaged over a minute, before the run.
    load_before: String,
    sections: Vec<(&'static str, Vec<Figure>)>,
}

impl Table {
    pub(crate) fn begin() -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model =
            cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            machine: format!("{cores} cores, {}", model.unwrap_or(std::env::consts::ARCH)),
            load_before: load.split(' ').next().unwrap_or("unknown").to_owned(),
            sections: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, section: &'static str, figures: Vec<Figure>) {
        self.sections.push((section, figures));
    }

    pub(crate) fn write_json(&self, path: &Path) -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, serde_json::to_vec_pretty(self)?)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "skcomm-tui {} on {}, load {}\n", self.version, self.machine, self.load_before)?;
        writeln!(f, "| section | what | figure | target | |")?;
        writeln!(f, "|---|---|---:|---:|---|")?;
        let all = self.sections.iter().flat_map(|(name, all)| all.iter().map(move |one| (name, one)));
        for (section, figure) in all.filter(|(_, figure)| figure.of.is_none()) {
            let value = figure.shown();
            let target = match figure.target {
                Some(Target::AtLeast(least)) => format!("≥ {} {}", rounded(least), figure.unit),
                Some(Target::AtMost(most)) => format!("≤ {} {}", rounded(most), figure.unit),
                None => String::new(),
            };
            let verdict = match figure.met {
                Some(true) => "met",
                Some(false) => "**missed**",
                None => "",
            };
            let remark = [verdict, &figure.note].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
            writeln!(f, "| {section} | {} | {value} | {target} | {} |", figure.name, remark.join("; "))?;
        }
        self.sections.iter().try_for_each(|(section, figures)| compare(f, section, figures))
    }
}

/// The figures that say what they are of: a line for each name, a column for each thing, and the notes below.
fn compare(f: &mut fmt::Formatter<'_>, section: &str, figures: &[Figure]) -> fmt::Result {
    let mut things: Vec<&str> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for (thing, figure) in figures.iter().filter_map(|figure| Some((figure.of?, figure))) {
        if !things.contains(&thing) {
            things.push(thing);
        }
        if !names.contains(&figure.name.as_str()) {
            names.push(&figure.name);
        }
    }
    if things.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n| {section} | {} |", things.join(" | "))?;
    writeln!(f, "|---|{}", "---:|".repeat(things.len()))?;
    for name in names {
        let cell = |thing: &&str| {
            let found = figures.iter().find(|figure| figure.of == Some(*thing) && figure.name == name);
            found.map_or_else(|| "–".to_owned(), Figure::shown)
        };
        writeln!(f, "| {name} | {} |", things.iter().map(cell).collect::<Vec<_>>().join(" | "))?;
    }
    writeln!(f)?;
    for (thing, figure) in figures.iter().filter_map(|figure| Some((figure.of?, figure))) {
        if !figure.note.is_empty() {
            writeln!(f, "- {thing}, {}: {}", figure.name, figure.note)?;
        }
    }
    Ok(())
}

fn rounded(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size > 0.0 => format!("{value:.2}"),
        _ => "0".to_owned(),
    }
}

/// The sample below which `percent` of all lie.
pub(crate) fn percentile<T: Copy + PartialOrd>(samples: &mut [T], percent: usize) -> Option<T> {
    samples.sort_by(|a, b| a.partial_cmp(b).expect("samples are numbers"));
    samples.get((samples.len() * percent / 100).min(samples.len().saturating_sub(1))).copied()
}

pub(crate) fn median<T: Copy + PartialOrd>(samples: &mut [T]) -> T {
    percentile(samples, 50).expect("there are samples")
}

/// What a panic said.
pub(crate) fn said(why: &(dyn Any + Send)) -> String {
    let text = why.downcast_ref::<String>().cloned();
    text.or_else(|| why.downcast_ref::<&str>().map(|&text| text.to_owned())).unwrap_or_else(|| "it panicked".to_owned())
}
