//! What the simulated store answers: rows put together from the tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use caravan::platform::PlatformError;
use caravan::platform::rows::{
    Allocation, Bound, Change, Cursor, DeadLetter, DeadLetterFilter, LetterGroup, OutboxDepth, Position, Purchase,
    PurchaseFilter, RefundFilter, RefundRow, RosterChanges, Session, SessionFilter, SessionPlace, Standings, Totals,
    TrainerRow, Unfulfilled, UnfulfilledDepth, UnfulfilledFilter, Waiting, WaitingWork,
};
use caravan::platform::store::{Lists, Reads};
use caravan_domain::allocation::ReservedTime;
use caravan_domain::event::Topic;
use caravan_domain::purchase::{PurchaseStatus, folded};
use caravan_domain::session::{Changed, SessionStatus};
use caravan_domain::trainer::{Closure, Trainer};
use jiff::civil::Date;
use jiff::{Span, Timestamp};
use uuid::Uuid;

use crate::planted::Planted;
use crate::tables::{PurchaseRow, Tables, TrainerRecord, party};
use crate::world::Handle;

/// A purchase as the trait shows it.
pub(crate) fn purchase_of(row: &PurchaseRow) -> Purchase {
    Purchase {
        id: row.id,
        status: row.status,
        created_at: row.created_at,
        confirmation: row.confirmation.clone(),
        reported: None,
        start_date: row.start_date,
        horizon: row.horizon,
        scheduled_at: None,
        allocation: row.allocations.last().map(|active| Allocation {
            id: active.made.id,
            trainer_id: active.made.trainer_id.clone(),
            allocated_at: active.made.allocated_at,
            start_date: active.made.start_date,
            slots: active.made.slots.clone(),
            first_ordinal: active.made.first_ordinal,
            sessions: active.made.sessions,
            minutes: row.confirmation.plan.minutes,
            skipped: active.made.skipped.clone(),
        }),
        earlier: Vec::new(),
        generations: row.allocations.len() as u32,
        revision: 1,
        changed: Changed::default(),
    }
}

impl Tables {
    /// The time reserved of a party, as the database keeps it.
    pub(crate) fn reserved(&self, party: &str) -> Vec<ReservedTime> {
        let rows = self.reservations.get(party).into_iter().flat_map(|rows| rows.iter());
        rows.map(|(key, (busy, starts))| ReservedTime { key: *key, busy: *busy, starts: *starts }).collect()
    }

    /// A trainer with their time.
    pub(crate) fn trainer_row(&self, record: &TrainerRecord) -> TrainerRow {
        TrainerRow {
            trainer: record.trainer.clone(),
            version: record.version,
            share: record.share,
            calendar: self.reserved(&party("trainer", &record.trainer.trainer_id)),
        }
    }

    /// Who taught the student this subject last.
    pub(crate) fn previous_trainer(&self, student: &str, subject: &str) -> Option<String> {
        let rows = self.purchases.values().filter(|row| {
            row.confirmation.student.id == student && folded(&row.confirmation.course.subject) == subject
        });
        let latest = rows.flat_map(|row| &row.allocations).max_by_key(|row| (row.made.allocated_at, row.made.id));
        latest.map(|row| row.made.trainer_id.clone())
    }

    fn unfulfilled(&self, row: &PurchaseRow, place: Cursor, filter: &UnfulfilledFilter) -> Option<Unfulfilled> {
        let waiting = self.waitlist.get(&row.id);
        let allocated_at = row.allocations.last().map_or(row.created_at, |active| active.made.allocated_at);
        let soon = |since: Timestamp| (since <= filter.before).then_some(since);
        let since = match row.status {
            PurchaseStatus::Created => soon(row.created_at)?,
            PurchaseStatus::Waitlisted => waiting.map_or(row.created_at, |waiting| waiting.waitlisted_at),
            PurchaseStatus::Allocated => soon(allocated_at)?,
            PurchaseStatus::Scheduled if self.due(row, filter.today, filter.window_days) => {
                let days = Span::new().days(i64::from(filter.window_days) - 1);
                let behind = row.horizon?.saturating_sub(days).to_zoned(jiff::tz::TimeZone::UTC).ok()?;
                behind.timestamp().max(allocated_at)
            }
            _ => return None,
        };
        let receipt = waiting.map(|waiting| waiting.receipt.clone());
        Some(Unfulfilled { since, place, purchase: purchase_of(row), receipt })
    }

    fn due(&self, row: &PurchaseRow, today: Date, window_days: u16) -> bool {
        let open = matches!(row.status, PurchaseStatus::Allocated | PurchaseStatus::Scheduled);
        let (Some(start), Some(horizon)) = (row.start_date, row.horizon) else { return false };
        open && horizon < today.max(start).saturating_add(Span::new().days(i64::from(window_days)))
    }
}

fn owned(found: Vec<&Arc<PurchaseRow>>) -> Vec<Purchase> {
    found.into_iter().map(|row| purchase_of(row)).collect()
}

/// What is left of reserved time without the rows before an instant's block.
fn since(from: Timestamp, mut rows: Vec<ReservedTime>) -> Vec<ReservedTime> {
    rows.retain(|row| row.key >= ReservedTime::first_key(from));
    rows
}

fn trainer_since(from: Timestamp, row: TrainerRow) -> TrainerRow {
    TrainerRow { calendar: since(from, row.calendar), ..row }
}

#[async_trait]
impl Reads for Handle {
    async fn purchases(&self, ids: &[Uuid]) -> Result<Vec<Purchase>, PlatformError> {
        self.call("store.purchases", |state| {
            let mut ids = ids.to_vec();
            ids.sort_unstable();
            ids.dedup();
            Ok(owned(ids.iter().filter_map(|id| state.tables.purchases.get(id)).collect()))
        })
        .await
    }

    async fn previous_trainers(
        &self,
        asked: &[(String, String)],
    ) -> Result<Vec<((String, String), String)>, PlatformError> {
        self.call("store.previous_trainers", |state| {
            let found =
                |asked: &(String, String)| Some((asked.clone(), state.tables.previous_trainer(&asked.0, &asked.1)?));
            Ok(asked.iter().filter_map(found).collect())
        })
        .await
    }

    async fn student_calendars(
        &self,
        ids: &[String],
        from: Timestamp,
    ) -> Result<Vec<(String, Vec<ReservedTime>)>, PlatformError> {
        self.call("store.student_calendars", |state| {
            let calendar = |id: &String| (id.clone(), since(from, state.tables.reserved(&party("student", id))));
            Ok(ids.iter().map(calendar).filter(|(_, rows)| !rows.is_empty()).collect())
        })
        .await
    }

    async fn roster_version(&self) -> Result<i64, PlatformError> {
        self.call("store.roster_version", |state| Ok(state.tables.roster_version)).await
    }

    async fn roster_changes(&self, since: Option<i64>, from: Timestamp) -> Result<RosterChanges, PlatformError> {
        self.call("store.roster_changes", |state| {
            let tables = &state.tables;
            let changed =
                tables.trainers.values().filter(|record| since.is_none_or(|since| record.roster_version > since));
            let trainers = changed.map(|record| trainer_since(from, tables.trainer_row(record))).collect();
            Ok(RosterChanges { version: tables.roster_version, trainers, closures: tables.closures.to_vec() })
        })
        .await
    }

    async fn trainers(&self, ids: &[String], from: Timestamp) -> Result<Vec<TrainerRow>, PlatformError> {
        self.call("store.trainers", |state| {
            let tables = &state.tables;
            let found = ids.iter().filter_map(|id| tables.trainers.get(id));
            Ok(found.map(|record| trainer_since(from, tables.trainer_row(record))).collect())
        })
        .await
    }

    async fn waiting_below(&self, version: i64, limit: usize) -> Result<Vec<Purchase>, PlatformError> {
        self.call("store.waiting_below", |state| {
            let tables = &state.tables;
            let below = tables.waitlist.values().filter(|waiting| waiting.seen_version < version);
            let mut found: Vec<_> = below.filter_map(|waiting| tables.purchases.get(&waiting.purchase_id)).collect();
            found.sort_by_key(|row| (row.created_at, row.id));
            found.truncate(if state.planted == Some(Planted::WaitlistForgotten) { 0 } else { limit });
            Ok(owned(found))
        })
        .await
    }

    async fn windows_due(
        &self,
        today: Date,
        window_days: u16,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Purchase>, PlatformError> {
        self.call("store.windows_due", |state| {
            let tables = &state.tables;
            let behind = tables.purchases.values().filter(|row| after.is_none_or(|after| row.id > after));
            Ok(owned(behind.filter(|row| tables.due(row, today, window_days)).take(limit).collect()))
        })
        .await
    }

    /// Nobody gives anything back in here.
    async fn refunds(&self, _purchase_ids: &[Uuid]) -> Result<Vec<RefundRow>, PlatformError> {
        Ok(Vec::new())
    }

    /// Nobody buys without an end in here.
    async fn subscriptions(&self, _after: Option<Uuid>, _limit: usize) -> Result<Vec<Purchase>, PlatformError> {
        Ok(Vec::new())
    }

    async fn ended_sessions(&self, as_of: Timestamp) -> Result<u64, PlatformError> {
        self.call("store.ended_sessions", |state| {
            let sessions = state.tables.purchases.values().flat_map(|row| row.sessions.values());
            Ok(sessions.filter(|row| !row.completed && row.session.ends_at <= as_of).count() as u64)
        })
        .await
    }

    async fn positions(&self, group: &str) -> Result<Vec<Position>, PlatformError> {
        self.call("store.positions", |state| {
            Ok(state
                .tables
                .positions
                .iter()
                .filter(|((of, _), _)| of == group)
                .map(|(_, position)| *position)
                .collect())
        })
        .await
    }
}

#[async_trait]
impl Lists for Handle {
    async fn list_purchases(
        &self,
        filter: &PurchaseFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<(Cursor, Purchase)>, PlatformError> {
        self.call("store.list_purchases", |state| {
            let mut rows: Vec<_> = state.tables.purchases.values().collect();
            rows.sort_by_key(|row| (row.created_at, row.id));
            let wanted = |row: &&Arc<PurchaseRow>| {
                filter.id.is_none_or(|id| id == row.id)
                    && filter.status.is_none_or(|status| status == row.status)
                    && filter.student_id.as_ref().is_none_or(|student| *student == row.confirmation.student.id)
            };
            let mut numbered: Vec<_> = (1..).zip(rows).filter(|(_, row)| wanted(row)).collect();
            if filter.newest_first {
                numbered.reverse();
            }
            let behind = |cursor: Cursor, after| if filter.newest_first { cursor < after } else { cursor > after };
            let page = numbered.into_iter().filter(|(cursor, _)| after.is_none_or(|after| behind(*cursor, after)));
            Ok(page.take(limit).map(|(cursor, row)| (cursor, purchase_of(row))).collect())
        })
        .await
    }

    async fn list_unfulfilled(
        &self,
        filter: &UnfulfilledFilter,
        after: Option<&Unfulfilled>,
        limit: usize,
    ) -> Result<Vec<Unfulfilled>, PlatformError> {
        self.call("store.list_unfulfilled", |state| {
            let rows = (1..).zip(state.tables.purchases.values());
            let mut found: Vec<_> =
                rows.filter_map(|(place, row)| state.tables.unfulfilled(row, place, filter)).collect();
            found.sort_by_key(|one| (one.since, one.place));
            found.retain(|one| after.is_none_or(|last| (one.since, one.place) > (last.since, last.place)));
            found.truncate(limit);
            Ok(found)
        })
        .await
    }

    async fn unfulfilled_depths(&self, filter: &UnfulfilledFilter) -> Result<Vec<UnfulfilledDepth>, PlatformError> {
        let mut depths: Vec<UnfulfilledDepth> = Vec::new();
        for one in self.list_unfulfilled(filter, None, usize::MAX).await? {
            match depths.iter_mut().find(|depth| depth.status == one.purchase.status) {
                Some(depth) => depth.purchases += 1,
                None => {
                    depths.push(UnfulfilledDepth { status: one.purchase.status, purchases: 1, oldest: one.since });
                }
            }
        }
        Ok(depths)
    }

    async fn list_clashing(
        &self,
        _after: Option<&Unfulfilled>,
        _limit: usize,
    ) -> Result<Vec<Unfulfilled>, PlatformError> {
        Ok(Vec::new())
    }

    async fn list_sessions(
        &self,
        filter: &SessionFilter,
        after: Option<SessionPlace>,
        limit: usize,
    ) -> Result<Vec<Session>, PlatformError> {
        let place = |place: SessionPlace| (place.starts_at, place.purchase_id, place.ordinal);
        self.call("store.list_sessions", |state| {
            let mut rows: Vec<Session> = state.tables.purchases.values().flat_map(|row| sessions_of(row)).collect();
            rows.retain(|row| {
                filter.purchase_id.is_none_or(|id| id == row.purchase_id)
                    && filter.trainer_id.as_ref().is_none_or(|id| *id == row.trainer_id)
                    && filter.student_id.as_ref().is_none_or(|id| *id == row.student_id)
                    && filter.from.is_none_or(|from| row.local_date >= from)
                    && filter.until.is_none_or(|until| row.local_date <= until)
                    && filter.status.is_none_or(|status| row.status == status)
                    && filter.starting.is_none_or(|(from, until)| (from..until).contains(&row.starts_at))
            });
            rows.sort_by_key(|row| place(row.place()));
            rows.retain(|row| after.is_none_or(|after| place(row.place()) > place(after)));
            rows.truncate(limit);
            Ok(rows)
        })
        .await
    }

    async fn taught_by(&self, trainer_ids: &[String]) -> Result<Vec<Purchase>, PlatformError> {
        self.call("store.taught_by", |state| {
            let theirs = |purchase: &Purchase| {
                purchase.allocation.as_ref().is_some_and(|allocation| trainer_ids.contains(&allocation.trainer_id))
            };
            Ok(state.tables.purchases.values().map(|row| purchase_of(row)).filter(theirs).collect())
        })
        .await
    }

    async fn session(&self, id: Uuid) -> Result<Option<Session>, PlatformError> {
        self.call("store.session", |state| {
            let mut rows = state.tables.purchases.values().flat_map(|row| sessions_of(row));
            Ok(rows.find(|row| row.id == id))
        })
        .await
    }

    async fn sessions_of(&self, purchase_ids: &[Uuid]) -> Result<Vec<Session>, PlatformError> {
        self.call("store.sessions_of", |state| {
            let theirs = purchase_ids.iter().filter_map(|id| state.tables.purchases.get(id));
            Ok(theirs.flat_map(|row| sessions_of(row)).collect())
        })
        .await
    }

    async fn list_dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, PlatformError> {
        self.call("store.list_dead_letters", |state| {
            let wanted = |letter: &&Arc<DeadLetter>| {
                (filter.ids.is_empty() || filter.ids.contains(&letter.id))
                    && filter.reason.as_ref().is_none_or(|reason| *reason == letter.reason)
                    && !(filter.waiting && letter.redriven_at.is_some())
                    && filter.topic.is_none_or(|topic| topic == letter.topic)
                    && after.is_none_or(|after| letter.id > after)
            };
            Ok(state.tables.dead_letters.iter().filter(wanted).take(limit).map(|letter| (**letter).clone()).collect())
        })
        .await
    }

    async fn list_trainers(&self, after: Option<&str>, limit: usize) -> Result<Vec<(Trainer, i64)>, PlatformError> {
        self.call("store.list_trainers", |state| {
            let behind = state.tables.trainers.iter().filter(|(id, _)| after.is_none_or(|after| id.as_str() > after));
            Ok(behind.take(limit).map(|(_, record)| (record.trainer.clone(), record.version)).collect())
        })
        .await
    }

    async fn trainer_terms(&self, ids: &[String]) -> Result<Vec<(Trainer, i64)>, PlatformError> {
        self.call("store.trainer_terms", |state| {
            let found = ids.iter().filter_map(|id| state.tables.trainers.get(id));
            Ok(found.map(|record| (record.trainer.clone(), record.version)).collect())
        })
        .await
    }

    async fn closures(&self) -> Result<Vec<Closure>, PlatformError> {
        self.call("store.closures", |state| Ok(state.tables.closures.to_vec())).await
    }

    async fn waiting(&self, purchase_ids: &[Uuid]) -> Result<Vec<Waiting>, PlatformError> {
        self.call("store.waiting", |state| {
            let found = purchase_ids.iter().filter_map(|id| state.tables.waitlist.get(id));
            Ok(found.map(|waiting| (**waiting).clone()).collect())
        })
        .await
    }

    async fn list_waiting(
        &self,
        after: Option<(Timestamp, Uuid)>,
        limit: usize,
    ) -> Result<Vec<Waiting>, PlatformError> {
        self.call("store.list_waiting", |state| {
            let place = |waiting: &Waiting| (waiting.waitlisted_at, waiting.purchase_id);
            let mut found: Vec<_> = state.tables.waitlist.values().map(|waiting| (**waiting).clone()).collect();
            found.sort_by_key(place);
            found.retain(|waiting| after.is_none_or(|after| place(waiting) > after));
            found.truncate(limit);
            Ok(found)
        })
        .await
    }

    async fn recorded(&self, bounds: &[Timestamp]) -> Result<Vec<Standings>, PlatformError> {
        self.call("store.recorded", |state| {
            let spans = bounds.iter().zip(bounds.iter().skip(1));
            Ok(spans.map(|(from, until)| standings(&state.tables, *from, *until)).collect())
        })
        .await
    }

    /// Nobody gives anything back in here.
    async fn waiting_work(&self) -> Result<WaitingWork, PlatformError> {
        self.call("store.waiting_work", |state| {
            let letters: Vec<_> = letters_waiting(&state.tables).map(|letter| letter.failed_at).collect();
            let waiting: Vec<_> = state.tables.waitlist.values().map(|waiting| waiting.waitlisted_at).collect();
            Ok(WaitingWork {
                dead_letters: letters.len() as u64,
                oldest_letter: letters.into_iter().min(),
                refunds: 0,
                oldest_refund: None,
                waitlisted: waiting.len() as u64,
                oldest_waiting: waiting.into_iter().min(),
            })
        })
        .await
    }

    async fn dead_letters_waiting(&self) -> Result<Vec<LetterGroup>, PlatformError> {
        self.call("store.dead_letters_waiting", |state| {
            let mut groups: BTreeMap<(String, Topic), LetterGroup> = BTreeMap::new();
            for letter in letters_waiting(&state.tables) {
                let (reason, topic, at) = (letter.reason.clone(), letter.topic, letter.failed_at);
                let first = LetterGroup { reason: reason.clone(), topic, letters: 0, oldest: at, newest: at };
                let group = groups.entry((reason, topic)).or_insert(first);
                group.letters += 1;
                group.oldest = group.oldest.min(at);
                group.newest = group.newest.max(at);
            }
            let mut groups: Vec<_> = groups.into_values().collect();
            groups.sort_by_key(|group| std::cmp::Reverse(group.letters));
            Ok(groups)
        })
        .await
    }

    async fn list_refunds(
        &self,
        _filter: &RefundFilter,
        _after: Option<Cursor>,
        _limit: usize,
    ) -> Result<Vec<(Cursor, RefundRow)>, PlatformError> {
        Ok(Vec::new())
    }

    async fn bound(&self, _purchase_id: Uuid) -> Result<Vec<Bound>, PlatformError> {
        Ok(Vec::new())
    }

    async fn changes_of(&self, _purchase_id: Uuid) -> Result<Vec<Change>, PlatformError> {
        Ok(Vec::new())
    }

    async fn receipt(&self, purchase_id: Uuid) -> Result<Option<String>, PlatformError> {
        self.call("store.receipt", |state| {
            let row = state.tables.purchases.get(&purchase_id);
            let active = row.and_then(|row| row.allocations.last());
            Ok(active.map(|row| row.made.receipt.clone()))
        })
        .await
    }

    async fn all_positions(&self) -> Result<Vec<(String, Position)>, PlatformError> {
        self.call("store.all_positions", |state| {
            Ok(state.tables.positions.iter().map(|((group, _), position)| (group.clone(), *position)).collect())
        })
        .await
    }

    async fn outbox_depths(&self) -> Result<Vec<OutboxDepth>, PlatformError> {
        self.call("store.outbox_depths", |state| {
            let mut depths: BTreeMap<Topic, OutboxDepth> = BTreeMap::new();
            for record in state.tables.outbox.iter().map(|pending| &pending.record) {
                let (topic, oldest) = (record.topic, record.timestamp);
                let depth = depths.entry(topic).or_insert(OutboxDepth { topic, rows: 0, oldest });
                depth.rows += 1;
                depth.oldest = depth.oldest.min(oldest);
            }
            Ok(depths.into_values().collect())
        })
        .await
    }

    async fn totals(&self) -> Result<Totals, PlatformError> {
        self.call("store.totals", |state| Ok(totals(&state.tables))).await
    }
}

fn sessions_of(row: &PurchaseRow) -> Vec<Session> {
    let session = |(ordinal, held): (&u32, &crate::tables::SessionRow)| Session {
        id: held.session.id,
        purchase_id: row.id,
        trainer_id: held.trainer_id.clone(),
        student_id: row.confirmation.student.id.clone(),
        ordinal: *ordinal,
        local_date: held.session.local_date,
        starts_at: held.session.starts_at,
        ends_at: held.session.ends_at,
        time_zone: row.confirmation.student.time_zone.clone(),
        status: if held.completed { SessionStatus::Completed } else { SessionStatus::Scheduled },
        planned_starts_at: held.session.starts_at,
    };
    row.sessions.iter().map(session).collect()
}

fn letters_waiting(tables: &Tables) -> impl Iterator<Item = &DeadLetter> {
    tables.dead_letters.iter().map(|letter| &**letter).filter(|letter| letter.redriven_at.is_none())
}

fn standings(tables: &Tables, from: Timestamp, until: Timestamp) -> Standings {
    let mut standings = Standings::default();
    for row in tables.purchases.values().filter(|row| from <= row.created_at && row.created_at < until) {
        *standings.by_status.entry(row.status).or_default() += 1;
    }
    standings
}

fn totals(tables: &Tables) -> Totals {
    let mut totals =
        Totals { trainers: tables.trainers.len() as u64, outbox: tables.outbox.len() as u64, ..Totals::default() };
    for row in tables.purchases.values() {
        *totals.purchases.entry(row.status.name().to_owned()).or_default() += 1;
        for session in sessions_of(row) {
            *totals.sessions.entry(session.status.to_string()).or_default() += 1;
        }
    }
    for letter in &tables.dead_letters {
        *totals.dead_letters.entry(letter.reason.clone()).or_default() += 1;
    }
    totals
}
