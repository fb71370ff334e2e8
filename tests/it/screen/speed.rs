//! Hundreds of messages a second while the terminal changes its size without end.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{Prepared, WIDE, faults::is_what_a_fresh_one_shows, quit_anyway};
use crate::{
    letters::{Author, pour},
    terminal::{Grid, PAGE_UP, Terminal},
};

/// Messages that come.
const MESSAGES: usize = 1_000;
/// Rest between two of them where the node keeps up: 500 a second.
const PAUSE: Duration = Duration::from_millis(2);
/// Sizes of the storm: every layout, too small for any, and very large.
const SIZES: [(u16, u16); 7] = [(80, 24), (40, 12), (20, 5), (200, 60), (1, 1), (120, 40), (41, 60)];
/// A size that shows many messages at once.
const LARGE: (u16, u16) = (120, 100);

/// A text whose number is seen whole or not at all.
fn text(number: usize) -> String {
    format!("<{number}>")
}

/// The first and the last of the messages on the screen; none where they are not whole and in order, as in the middle of
/// a frame.
fn shown(grid: &Grid) -> Option<(usize, usize)> {
    let numbers = grid.rows().iter().flat_map(|row| row.split('<').skip(1));
    let numbers: Vec<usize> = numbers.filter_map(|rest| rest.split_once('>')?.0.parse().ok()).collect();
    let in_order = numbers.windows(2).all(|two| two[1] == two[0] + 1);
    in_order.then_some(())?;
    Some((*numbers.first()?, *numbers.last()?))
}

/// Pages up from the newest message to the oldest, and sees every one.
fn all_are_shown(screen: &mut Terminal) {
    screen.wait_until("the newest", |grid| shown(grid).is_some_and(|(_, last)| last == MESSAGES - 1));
    screen.keys("\x1b2");
    // What stood there before the last change of size looks like a page, too.
    screen.settled();
    let mut seen = BTreeSet::new();
    while seen.first() != Some(&0) {
        let next = seen.first().copied().unwrap_or(MESSAGES);
        let grid = screen.wait_until(&format!("those before {next}"), |grid| {
            shown(grid).is_some_and(|(first, last)| first < next && last + 1 >= next)
        });
        let (first, last) = shown(&grid).unwrap();
        seen.extend(first..=last);
        // Those before are fetched when their turn is near, and a key does nothing before they are there.
        screen.settled();
        screen.keys(PAGE_UP);
    }
    assert!(seen.into_iter().eq(0..MESSAGES));
}

#[test]
fn a_stream_of_messages_and_a_storm_of_sizes_lose_and_garble_nothing() {
    let home = Prepared::listening();
    let mut screen = home.start_writing();
    let (address, own) = home.reachable();
    let lumina = Author { key: &home.lumina(), name: "lumina", to: &own, introduces: false };
    let frames: Vec<Bytes> = (0..MESSAGES).map(|n| lumina.letter(n, &text(n)).encode().into()).collect();
    let begun = Instant::now();
    let pouring = home.runtime.spawn(pour(address, frames, Some(PAUSE)));
    // While they come: every key is drawn, whatever the size was a moment ago.
    let mut rounds = 0;
    while !pouring.is_finished() || rounds < 5 {
        SIZES.into_iter().cycle().skip(rounds).take(2 * SIZES.len()).for_each(|size| screen.resize(size));
        screen.resize(WIDE);
        let word = format!("word{rounds}");
        screen.keys(&format!("{word} "));
        screen.wait_for(&[&word]);
        rounds += 1;
    }
    let (taken, refused) = home.runtime.block_on(pouring).unwrap();
    let a_second = MESSAGES as f64 / begun.elapsed().as_secs_f64();
    eprintln!("{a_second:.0} messages a second, {rounds} storms of {} sizes", 2 * SIZES.len() + 1);
    assert_eq!((taken, refused), (MESSAGES, 0));

    screen.resize(LARGE);
    all_are_shown(&mut screen);
    is_what_a_fresh_one_shows(&mut screen);
    quit_anyway(&home, screen);
}
