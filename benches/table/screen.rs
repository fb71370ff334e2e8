//! From a key press to the finished frame, and the bytes it writes: the screen's own model, update, view and backend
//! over a real node with a long thread, without a terminal.

use std::{
    cell::Cell,
    io::Write,
    rc::Rc,
    time::{Duration, Instant},
};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::{Terminal, TerminalOptions, Viewport, backend::CrosstermBackend, layout::Rect};
use skcomm_tui::{
    node::NodeHandle,
    tui::{
        keymap::Keymap,
        model::Model,
        term::SparingBackend,
        theme::Theme,
        update::{self, Effect, Effects, Msg},
        view,
    },
};

use crate::{
    figures::{Figure, percentile},
    process::thread_cpu_time,
    world::{NEWEST, long_thread, now},
};

const MESSAGES: u64 = 100_000;
const SIZE: (u16, u16) = (120, 40);

/// What one key press came to.
struct Press {
    took: Duration,
    /// Processor time of it: others may have been given the processor meanwhile.
    cpu: Duration,
    bytes: usize,
    naive: usize,
}

/// Counts what is written to it.
struct Counter(Rc<Cell<usize>>);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.set(self.0.get() + bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Screen {
    model: Model,
    node: NodeHandle,
    ours: Terminal<SparingBackend<Vec<u8>>>,
    /// The same frames drawn by ratatui's own backend.
    naive: Terminal<CrosstermBackend<Counter>>,
    naive_bytes: Rc<Cell<usize>>,
    begun: Instant,
}

impl Screen {
    fn new(node: NodeHandle) -> Self {
        let mut model = Model::new(Theme::default(), Keymap::default());
        model.size = SIZE;
        model.set_time(0, now());
        let viewport = Viewport::Fixed(Rect::new(0, 0, SIZE.0, SIZE.1));
        let naive_bytes: Rc<Cell<usize>> = Rc::default();
        let backend = CrosstermBackend::new(Counter(naive_bytes.clone()));
        let naive = Terminal::with_options(backend, TerminalOptions { viewport }).unwrap();
        let ours = Terminal::new(SparingBackend::fixed(Vec::new(), true, SIZE.0, SIZE.1)).unwrap();
        Self { model, node, ours, naive, naive_bytes, begun: Instant::now() }
    }

    /// Bytes since the last call.
    fn written(&mut self) -> (usize, usize) {
        let ours = std::mem::take(self.ours.backend_mut().writer_mut()).len();
        (ours, self.naive_bytes.take())
    }

    fn draw(&mut self) -> Effects {
        let effects = view::prepare(&mut self.model);
        let model = &self.model;
        self.ours.draw(|frame| view::draw(model, frame)).unwrap();
        self.model.dirty = false;
        effects
    }

    fn draw_naive(&mut self) {
        let model = &self.model;
        self.naive.draw(|frame| view::draw(model, frame)).unwrap();
    }

    /// Asks the node what the screen wants to know, takes the answers and draws, until nothing is left to ask.
    async fn settle(&mut self, mut effects: Effects) {
        loop {
            for effect in std::mem::take(&mut effects) {
                if let Effect::Call(tag, command) = effect {
                    let reply = self.node.call(command).await;
                    effects.extend(update::update(&mut self.model, Msg::Reply(tag, Box::new(reply))));
                }
            }
            effects.extend(self.draw());
            if effects.is_empty() {
                return self.draw_naive();
            }
        }
    }

    async fn press(&mut self, code: KeyCode, modifiers: KeyModifiers) -> Press {
        let clock = u64::try_from(self.begun.elapsed().as_millis()).unwrap();
        self.model.set_time(clock, now());
        self.written();
        let (cpu, begun) = (thread_cpu_time(), Instant::now());
        let mut effects = update::update(&mut self.model, Msg::Key(KeyEvent::new(code, modifiers)));
        effects.extend(self.draw());
        let took = begun.elapsed();
        let cpu = thread_cpu_time() - cpu;
        self.draw_naive();
        let (bytes, naive) = self.written();
        self.settle(effects).await;
        Press { took, cpu, bytes, naive }
    }

    async fn write(&mut self, text: &str) -> Vec<Press> {
        let mut presses = Vec::new();
        for c in text.chars() {
            presses.push(self.press(KeyCode::Char(c), KeyModifiers::NONE).await);
        }
        presses
    }

    fn shows(&self, text: &str) -> bool {
        let buffer = &self.naive_text();
        buffer.contains(text)
    }

    /// The last frame as text.
    fn naive_text(&self) -> String {
        let mut terminal = Terminal::new(ratatui::backend::TestBackend::new(SIZE.0, SIZE.1)).unwrap();
        let frame = terminal.draw(|frame| view::draw(&self.model, frame)).unwrap();
        frame.buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect()
    }
}

pub(crate) fn measure() -> Vec<Figure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut owner = long_thread(MESSAGES).await;
        owner.restart();
        let mut screen = Screen::new(owner.handle());
        let effects = update::start(&mut screen.model);
        screen.settle(effects).await;
        screen.press(KeyCode::Char('p'), KeyModifiers::CONTROL).await;
        screen.write("conversation.open lumina").await;
        screen.press(KeyCode::Enter, KeyModifiers::NONE).await;
        assert!(screen.shows(NEWEST), "the long thread is not on the screen: {}", screen.naive_text());
        let figures = figures(&mut screen).await;
        drop(screen);
        owner.stop().await;
        figures
    })
}

async fn figures(screen: &mut Screen) -> Vec<Figure> {
    let mut typing = Vec::new();
    // One line of the composer, again and again.
    const LINE: &str = "the quick brown fox jumps over the lazy dog";
    for _ in 0..20 {
        typing.extend(screen.write(LINE).await);
        for _ in 0..LINE.len() {
            screen.press(KeyCode::Backspace, KeyModifiers::NONE).await;
        }
    }
    let mut scrolling = Vec::new();
    for _ in 0..300 {
        scrolling.push(screen.press(KeyCode::PageUp, KeyModifiers::NONE).await);
    }
    let mut switching = Vec::new();
    for _ in 0..100 {
        switching.push(screen.press(KeyCode::Char('p'), KeyModifiers::CONTROL).await);
        switching.push(screen.press(KeyCode::Esc, KeyModifiers::NONE).await);
    }
    screen.written();
    screen.draw();
    let (idle, _) = screen.written();
    let mut all = timed("typing", typing.as_slice()).to_vec();
    all.extend(timed("a page up", &scrolling));
    all.extend(timed("the palette opened and closed", &switching));
    let mut bytes: Vec<usize> = typing.iter().map(|press| press.bytes).collect();
    let mean = |of: fn(&Press) -> usize| typing.iter().map(of).sum::<usize>() as f64 / typing.len() as f64;
    let (ours, naive) = (mean(|press| press.bytes), mean(|press| press.naive));
    all.push(
        Figure::new("bytes a key press, typing, mean", ours, "bytes")
            .at_most(16.0)
            .note(format!("p99 {}; ratatui's own backend writes {naive:.0}", percentile(&mut bytes, 99).unwrap())),
    );
    let page = |of: fn(&Press) -> usize| scrolling.iter().map(of).sum::<usize>() as f64 / scrolling.len() as f64;
    all.push(
        Figure::new("bytes a page up, mean", page(|press| press.bytes), "bytes")
            .note(format!("ratatui's own backend writes {:.0}", page(|press| press.naive))),
    );
    all.push(Figure::new("bytes of a frame in which nothing changed", idle as f64, "bytes").at_most(0.0));
    all
}

fn timed(what: &str, presses: &[Press]) -> [Figure; 3] {
    let at = |of: fn(&Press) -> Duration, percent| {
        percentile(&mut presses.iter().map(of).collect::<Vec<_>>(), percent).unwrap()
    };
    [
        Figure::ms(format!("key press to finished frame, {what}, p50"), at(|press| press.took, 50)).note(format!(
            "{} presses in a thread of {MESSAGES}, {}×{}",
            presses.len(),
            SIZE.0,
            SIZE.1
        )),
        Figure::ms(format!("key press to finished frame, {what}, p99"), at(|press| press.took, 99)).at_most(2.0),
        Figure::ms(format!("processor time of it, {what}, p99"), at(|press| press.cpu, 99)).at_most(2.0),
    ]
}
