//! Where things go on a screen of a given size.

use ratatui::layout::{Constraint, Layout, Rect};

use crate::tui::{
    model::{Focus, Model},
    text,
};

/// How much room there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Not enough for anything.
    #[default]
    TooSmall,
    /// One pane at a time.
    Narrow,
    /// Peers and conversations; health is one line.
    Medium,
    /// Everything side by side.
    Wide,
}

impl Class {
    /// The class of a terminal of that many columns and rows.
    pub fn of(width: u16, height: u16) -> Self {
        match (width, height) {
            (110.., 16..) => Self::Wide,
            (80.., 12..) => Self::Medium,
            (40.., 12..) => Self::Narrow,
            _ => Self::TooSmall,
        }
    }
}

/// One conversation pane on the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaneRegion {
    /// Which pane of the layout.
    pub index: usize,
    /// All of it.
    pub area: Rect,
    /// The messages, without the border.
    pub list: Rect,
    /// The composer with its border.
    pub composer: Rect,
}

/// Where things are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Regions {
    /// The size all this is for.
    pub size: (u16, u16),
    /// How much room there is.
    pub class: Class,
    /// The line of the demonstration.
    pub hint: Option<Rect>,
    /// The banner of key conflicts.
    pub banner: Option<Rect>,
    /// Everything between the banners and the status line.
    pub body: Rect,
    /// The list of peers with its border.
    pub peers: Option<Rect>,
    /// The list of peers without its border.
    pub peers_list: Option<Rect>,
    /// The topmost line of the list of peers.
    pub peers_top: usize,
    /// The conversation panes.
    pub panes: Vec<PaneRegion>,
    /// The transports with their border.
    pub health: Option<Rect>,
    /// The transports without their border.
    pub health_list: Option<Rect>,
    /// The path view with its border.
    pub path: Option<Rect>,
    /// The transports in one line.
    pub strip: Option<Rect>,
    /// The status line.
    pub status: Rect,
}

/// Decides where things go.
pub(super) fn compute(model: &Model) -> Regions {
    let (width, height) = model.size;
    let screen = Rect::new(0, 0, width, height);
    let class = Class::of(width, height);
    let mut regions = Regions { size: model.size, class, body: screen, ..Regions::default() };
    if class == Class::TooSmall {
        return regions;
    }
    let conflicts = u16::try_from(model.conflicts().count()).unwrap_or(u16::MAX);
    let banner = if conflicts == 0 { 0 } else { 2.min(height / 6) };
    let strip = u16::from(class == Class::Medium && model.layout.health);
    let [hint, banner, body, strip, status] = Layout::vertical([
        Constraint::Length(u16::from(model.demo)),
        Constraint::Length(banner),
        Constraint::Min(1),
        Constraint::Length(strip),
        Constraint::Length(1),
    ])
    .areas(screen);
    regions.hint = some(hint);
    regions.banner = some(banner);
    regions.strip = some(strip);
    regions.status = status;
    regions.body = body;
    match class {
        Class::Wide | Class::Medium if !model.zoomed => side_by_side(model, &mut regions),
        _ => one_at_a_time(model, &mut regions),
    }
    regions.peers_list = regions.peers.map(inside);
    regions.health_list = regions.health.map(inside);
    regions.peers_top = peers_top(model, regions.peers_list);
    regions
}

fn some(area: Rect) -> Option<Rect> {
    (!area.is_empty()).then_some(area)
}

/// Without the border.
fn inside(area: Rect) -> Rect {
    Rect {
        x: area.x.saturating_add(1),
        y: area.y.saturating_add(1),
        width: area.width.saturating_sub(2),
        height: area.height.saturating_sub(2),
    }
}

fn one_at_a_time(model: &Model, regions: &mut Regions) {
    let body = regions.body;
    match model.focus {
        Focus::Peers => regions.peers = some(body),
        Focus::Health => regions.health = some(body),
        Focus::Path => regions.path = some(body),
        Focus::Conversation | Focus::Composer => {
            regions.panes.push(pane(model, model.layout.focused, body));
        }
    }
}

fn side_by_side(model: &Model, regions: &mut Regions) {
    let body = regions.body;
    let beside = matches!(model.focus, Focus::Health | Focus::Path);
    let right = match regions.class {
        Class::Wide => model.layout.health || beside,
        // There is no room for it unless the user is in it.
        _ => beside,
    };
    // The middle is what the screen is for: the panels give way to it.
    let spare = body.width.saturating_sub(40);
    let health = if right { model.layout.health_width.min(spare / 2) } else { 0 };
    let peers = if model.layout.peers { model.layout.peers_width.min(spare.saturating_sub(health)) } else { 0 };
    let [left, middle, right] =
        Layout::horizontal([Constraint::Length(peers), Constraint::Min(1), Constraint::Length(health)]).areas(body);
    regions.peers = some(left);
    if !right.is_empty() {
        right_column(model, regions, right);
    }
    let most = usize::from((middle.width / 24).max(1));
    // Where not all panes fit, those nearest to the focused one are shown.
    let first = (model.layout.focused + 1).saturating_sub(most);
    let shown: Vec<usize> = (first..model.layout.panes.len()).take(most).collect();
    let weights = shown.iter().map(|index| Constraint::Fill(model.layout.panes[*index].weight));
    let areas = Layout::horizontal(weights).split(middle);
    regions.panes = shown.iter().zip(areas.iter()).map(|(index, area)| pane(model, *index, *area)).collect();
}

fn right_column(model: &Model, regions: &mut Regions, area: Rect) {
    let path = model.focus == Focus::Path || model.selected_message().is_some();
    if !path {
        regions.health = some(area);
        return;
    }
    let lines = u16::try_from(model.health.transports.len()).unwrap_or(u16::MAX).saturating_add(2);
    let top = lines.clamp(3, (area.height / 2).max(3));
    let [health, path] = Layout::vertical([Constraint::Length(top), Constraint::Min(1)]).areas(area);
    regions.health = some(health);
    regions.path = some(path);
}

fn pane(model: &Model, index: usize, area: Rect) -> PaneRegion {
    let conversation = model.layout.panes.get(index).and_then(|pane| pane.conversation.as_ref());
    let composer = conversation.and_then(|c| model.views.get(c)).map(|view| &view.composer);
    let inner = usize::from(area.width.saturating_sub(2)).max(1);
    let most = (area.height / 3).clamp(1, 10);
    let mut lines = 0usize;
    for line in composer.iter().flat_map(|composer| composer.area().lines()) {
        lines += (text::width(line) / inner) + 1;
        if lines >= usize::from(most) {
            break;
        }
    }
    let replies = u16::from(composer.is_some_and(|composer| composer.reply_to.is_some()));
    let lines = u16::try_from(lines).unwrap_or(most).clamp(1, most) + replies;
    let height = if conversation.is_some() { lines.saturating_add(2) } else { 0 };
    let [messages, composer] = Layout::vertical([Constraint::Min(3), Constraint::Length(height)]).areas(area);
    PaneRegion { index, area, list: inside(messages), composer }
}

/// The list scrolls only as far as it must to keep the selection on the screen.
fn peers_top(model: &Model, list: Option<Rect>) -> usize {
    let height = list.map_or(0, |list| usize::from(list.height));
    let selected = model.sidebar.selected;
    let top = model.regions.peers_top.min(model.sidebar.rows.len().saturating_sub(height));
    top.clamp((selected + 1).saturating_sub(height.max(1)), selected)
}
