//! A plan seen from a trainer's zone: which parts of the week its lessons take there, and in which ISO weeks they start.

use super::clock::{Clock, iso_week};
use super::outline::Outline;
use crate::availability::{PIECE_MINUTES, WEEK_MINUTES};

/// A plan in one zone.
#[derive(Debug)]
pub(crate) struct Lens {
    /// As the outline's slots.
    pub(crate) slots: Vec<SlotLens>,
    /// No choice of slots has more lessons than this in an ISO week.
    pub(crate) week_max: usize,
}

/// A slot in one zone.
#[derive(Debug)]
pub(crate) struct SlotLens {
    /// The different parts of the week its lessons take: one, or a few if clocks change.
    pub(crate) windows: Vec<Window>,
    /// The window of each lesson.
    pub(crate) window_of: Vec<u16>,
    /// The ISO week, by local date, of each lesson.
    pub(crate) week_of: Vec<i32>,
}

/// The wall-clock time of a lesson.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// `(minute of the week, minutes)`; several if the clock changes during the lesson.
    pub(crate) pieces: Vec<(u16, u16)>,
    /// The first lesson that takes it.
    pub(crate) first: usize,
}

impl Lens {
    /// Looks at a plan from a zone.
    pub(crate) fn of(outline: &Outline, clock: &Clock) -> Self {
        let slots: Vec<SlotLens> =
            outline.slots.iter().map(|slot| SlotLens::of(&slot.starts, outline.length, clock)).collect();
        let twice = slots.iter().any(|slot| slot.week_of.windows(2).any(|weeks| weeks[0] == weeks[1]));
        Self { slots, week_max: outline.per_week * if twice { 2 } else { 1 } }
    }
}

impl SlotLens {
    fn of(starts: &[i64], length: i64, clock: &Clock) -> Self {
        let mut lens = Self { windows: Vec::new(), window_of: Vec::new(), week_of: Vec::new() };
        // The last seen minute of the week of a lesson without a clock change, and its window.
        let mut last: Option<(i64, u16)> = None;
        // Lessons are in order: the offset of one mostly holds for the next.
        let (mut before, mut holds_until) = (0, i64::MIN);
        for (nth, &starts_at) in starts.iter().enumerate() {
            if starts_at >= holds_until {
                (before, holds_until) = clock.offset_until(starts_at);
            }
            let after = if starts_at + length < holds_until { before } else { clock.offset(starts_at + length) };
            let wall = starts_at + before;
            let plain = (before == after).then(|| week_minute(wall));
            let window = match (plain, last) {
                (Some(minute), Some((seen, window))) if minute == seen => window,
                _ => lens.window(plain, starts_at, length, clock, nth),
            };
            last = plain.map(|minute| (minute, window)).or(last);
            lens.window_of.push(window);
            lens.week_of.push(iso_week(wall));
        }
        lens
    }

    fn window(&mut self, plain: Option<i64>, starts_at: i64, length: i64, clock: &Clock, first: usize) -> u16 {
        let pieces = match plain {
            Some(minute) => vec![(minute as u16, (length / 60) as u16)],
            None => pieces_of(starts_at, length, clock),
        };
        let known = self.windows.iter().position(|window| window.pieces == pieces);
        known.unwrap_or_else(|| {
            self.windows.push(Window { pieces, first });
            self.windows.len() - 1
        }) as u16
    }
}

/// The minute of the week of a wall-clock time, from Monday 00:00.
fn week_minute(wall: i64) -> i64 {
    (wall.div_euclid(60) + 3 * 24 * 60).rem_euclid(i64::from(WEEK_MINUTES))
}

/// A lesson in short pieces; those that follow each other on the wall clock are joined.
fn pieces_of(starts_at: i64, length: i64, clock: &Clock) -> Vec<(u16, u16)> {
    let mut pieces: Vec<(u16, u16)> = Vec::new();
    for after in (0..length / 60).step_by(usize::from(PIECE_MINUTES)) {
        let minute = week_minute(clock.wall(starts_at + after * 60)) as u16;
        match pieces.last_mut() {
            Some(last) if last.0 + last.1 == minute => last.1 += PIECE_MINUTES,
            _ => pieces.push((minute, PIECE_MINUTES)),
        }
    }
    pieces
}
