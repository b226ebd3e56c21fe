//! What is proposed: who stands in (a largest assignment), then what moves, then what is made up for.

use std::collections::HashMap;

use caravan_domain::allocation::{Calendar, JudgedTrainer, reserved_time};
use caravan_domain::ids::session_id;
use caravan_domain::plan::{Occurrence, Schedule, Weekday, instants};
use caravan_domain::purchase::Confirmation;
use caravan_domain::session::{
    Asked, Hours, SessionState, SessionStatus, Standing, broken_rules, has_hours, is_able, makeup, room_in_week,
};
use caravan_domain::substitution::{Place, Vacancy, assigned};
use caravan_domain::trainer::{Closure, Trainer};
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::affected::Affected;
use super::{Plan, Proposal, Remedy};
use crate::life::{ChangeError, known};
use crate::platform::Platform;
use crate::platform::rows::{Purchase, TrainerRow};
use crate::platform::transaction::PlanExtension;
use crate::workers::changing::{Wanted, Wish};

/// Trainers read at once.
const PAGE: usize = 500;
/// Of how many who could stand in the calendars are read: those who could take most.
const CANDIDATES_MAX: usize = 200;
/// Weeks begin up to this long before any of their sessions.
const WEEK: SignedDuration = SignedDuration::from_hours(8 * 24);

/// What is proposed for everything that falls into the leave.
pub(super) async fn plans(
    platform: &Platform,
    away: &Trainer,
    affected: Vec<Affected>,
) -> Result<Vec<Plan>, ChangeError> {
    if affected.is_empty() {
        return Ok(Vec::new());
    }
    let mut desk = Desk::prepare(platform, away, &affected).await?;
    let taken = desk.substitutes(&affected);
    affected.into_iter().zip(taken).map(|(affected, taken)| desk.plan(affected, &taken)).collect()
}

/// A trainer who could help, with their time as it is with what was proposed so far.
struct Helper {
    row: TrainerRow,
    hours: Hours,
    calendar: Calendar,
}

impl Helper {
    fn of(mut row: TrainerRow) -> Self {
        let calendar = Calendar::from_rows(std::mem::take(&mut row.calendar));
        Self { hours: Hours::of(&row.trainer), calendar, row }
    }

    fn is_able(&self, purchase: &Purchase) -> bool {
        let Confirmation { student, course, .. } = &purchase.confirmation;
        is_able(&self.row.trainer, &student.languages, course)
    }
}

/// Everything that proposals are made from.
struct Desk {
    now: Timestamp,
    /// The one who is away comes first, with the leave among their days off.
    helpers: Vec<Helper>,
    students: HashMap<String, Calendar>,
    closures: Vec<Closure>,
}

impl Desk {
    async fn prepare(platform: &Platform, away: &Trainer, affected: &[Affected]) -> Result<Self, ChangeError> {
        let now = platform.clock.now();
        let from = now.saturating_sub(WEEK).unwrap_or(now);
        let mut ids = candidates(platform, away, affected).await?;
        ids.push(away.trainer_id.clone());
        let mut students: Vec<String> =
            affected.iter().map(|affected| affected.purchase.confirmation.student.id.clone()).collect();
        students.sort_unstable();
        students.dedup();
        let (trainers, calendars, closures) = tokio::try_join!(
            platform.store.trainers(&ids, from),
            platform.store.student_calendars(&students, from),
            platform.store.closures()
        )?;
        let mut helpers: Vec<Helper> = trainers.into_iter().map(Helper::of).collect();
        let is_away = |helper: &Helper| helper.row.trainer.trainer_id == away.trainer_id;
        helpers.sort_by_key(|helper| (!is_away(helper), helper.row.share, helper.row.trainer.trainer_id.clone()));
        if let Some(first) = helpers.first_mut().filter(|first| is_away(first)) {
            first.row.trainer.time_off.clone_from(&away.time_off);
        }
        let students = calendars.into_iter().map(|(id, rows)| (id, Calendar::from_rows(rows))).collect();
        Ok(Self { now, helpers, students, closures })
    }

    /// Who stands in for each affected session, by number; the sessions of each purchase in their order.
    fn substitutes(&self, affected: &[Affected]) -> Vec<Vec<Option<usize>>> {
        let (mut vacancies, mut room) = (Vec::new(), HashMap::new());
        for (plan, affected) in affected.iter().enumerate() {
            // The first is the one who is away.
            let others = self.helpers.iter().enumerate().skip(1);
            let able: Vec<(usize, &Helper)> = others.filter(|(_, helper)| helper.is_able(&affected.purchase)).collect();
            for session in &affected.sessions {
                let places = places(&able, session.occurrence(&affected.plan.zone), &mut room);
                vacancies.push(Vacancy { plan, places });
            }
        }
        let mut found = assigned(&vacancies, &room).into_iter().map(|place| place.map(|place| place.who));
        affected.iter().map(|affected| found.by_ref().take(affected.sessions.len()).collect()).collect()
    }

    /// The proposals for a purchase, in which these stand in.
    fn plan(&mut self, affected: Affected, taken: &[Option<usize>]) -> Result<Plan, ChangeError> {
        let Affected { purchase, plan, sessions } = affected;
        let mut drafting =
            Drafting { purchase: &purchase, plan, wish: Wish::default(), added: 0, proposals: Vec::new() };
        for (session, who) in sessions.iter().zip(taken) {
            let remedy = match who {
                Some(who) => self.stand_in(&mut drafting, session, *who),
                None => self.elsewhere(&mut drafting, session),
            };
            drafting.propose(session, remedy);
        }
        let Drafting { wish, proposals, .. } = drafting;
        let rows: Vec<TrainerRow> = self.helpers.iter().map(|helper| helper.row.clone()).collect();
        let trainers = known(&rows);
        // What is decided here steps the version of everybody it touches.
        let mut touched: Vec<String> = wish.sessions.iter().map(|wanted| wanted.after.trainer_id.clone()).collect();
        touched.push(self.helpers[0].row.trainer.trainer_id.clone());
        touched.extend(wish.extension.as_ref().map(|(_, judged)| judged.trainer_id.clone()));
        if !wish.sessions.is_empty() {
            for helper in &mut self.helpers {
                helper.row.version += i64::from(touched.contains(&helper.row.trainer.trainer_id));
            }
        }
        Ok(Plan { purchase, wish, trainers, proposals })
    }

    fn stand_in(&mut self, drafting: &mut Drafting<'_>, session: &Standing, who: usize) -> Remedy {
        let after = SessionState { trainer_id: self.id(who), ..session.state.clone() };
        self.book(drafting, session, &after, who);
        Remedy::Substitute(after)
    }

    /// Another time in the same week, else one at the end of the plan.
    fn elsewhere(&mut self, drafting: &mut Drafting<'_>, session: &Standing) -> Remedy {
        let own_time = reserved_time([session.occurrence(&drafting.plan.zone)]);
        self.helpers[0].calendar.release(&own_time);
        self.student(drafting).release(&own_time);
        if let Some((after, who)) = self.another_time(drafting, session) {
            self.book_released(drafting, &after, who, session.planned.ordinal);
            return Remedy::Move(after);
        }
        if let Some(at) = self.at_the_end(drafting) {
            let after = SessionState { status: SessionStatus::Cancelled, ..session.state.clone() };
            drafting.wish.sessions.push(Wanted { ordinal: session.planned.ordinal, after, terms: None });
            return Remedy::Makeup(at.starts_at, at.local_date);
        }
        self.helpers[0].calendar.reserve(&own_time);
        self.student(drafting).reserve(&own_time);
        Remedy::Person
    }

    /// A time that the student offered, in the week of the session, with whoever is free then; the one who is away first.
    fn another_time(&self, drafting: &Drafting<'_>, session: &Standing) -> Option<(SessionState, usize)> {
        let zone = &drafting.plan.zone;
        let date = session.local_date(zone);
        let monday = date.checked_sub((Weekday::of(date).index() as i64).days()).ok()?;
        for slot in &drafting.purchase.confirmation.plan.slots {
            let local_date = monday.checked_add((slot.weekday.index() as i64).days()).ok()?;
            let (starts_at, ends_at) = instants(zone, local_date, slot.at, drafting.plan.minutes)?;
            if starts_at <= self.now || starts_at == session.state.starts_at {
                continue;
            }
            let at = Occurrence { ordinal: session.planned.ordinal, local_date, starts_at, ends_at };
            let free = (0..self.helpers.len()).find(|who| self.suits(drafting, *who, at));
            if let Some(who) = free {
                let state = SessionState { trainer_id: self.id(who), starts_at, ends_at, ..session.state.clone() };
                return Some((state, who));
            }
        }
        None
    }

    /// A session more at the end of the plan, with the plan's own trainer.
    fn at_the_end(&mut self, drafting: &mut Drafting<'_>) -> Option<Occurrence> {
        let allocation = drafting.purchase.allocation.as_ref()?;
        let who = (0..self.helpers.len()).find(|who| self.id(*who) == allocation.trainer_id)?;
        let fits = |at: &Occurrence| at.starts_at > self.now && self.suits(drafting, who, *at);
        let found = makeup(&drafting.plan, fits)?;
        drafting.plan =
            Schedule { sessions: drafting.plan.sessions + 1, skipped: found.skipped, ..drafting.plan.clone() };
        drafting.added += 1;
        let extension = PlanExtension {
            sessions: drafting.plan.sessions,
            added: drafting.added,
            skipped: drafting.plan.skipped.iter().copied().collect(),
        };
        drafting.wish.extension = Some((extension, JudgedTrainer::from(&self.helpers[who].row.trainer)));
        let time = reserved_time([found.at]);
        self.helpers[who].calendar.reserve(&time);
        self.student(drafting).reserve(&time);
        Some(found.at)
    }

    fn suits(&self, drafting: &Drafting<'_>, who: usize, at: Occurrence) -> bool {
        let helper = &self.helpers[who];
        let confirmation = &drafting.purchase.confirmation;
        let nothing = Calendar::default();
        let asked = Asked {
            trainer: &helper.row.trainer,
            hours: &helper.hours,
            trainer_calendar: &helper.calendar,
            languages: &confirmation.student.languages,
            course: &confirmation.course,
            student_calendar: self.students.get(&confirmation.student.id).unwrap_or(&nothing),
            closures: &self.closures,
            at,
        };
        broken_rules(&asked).is_empty()
    }

    /// Takes a session from where it is, and gives it to somebody.
    fn book(&mut self, drafting: &mut Drafting<'_>, session: &Standing, after: &SessionState, who: usize) {
        let own_time = reserved_time([session.occurrence(&drafting.plan.zone)]);
        self.helpers[0].calendar.release(&own_time);
        self.student(drafting).release(&own_time);
        self.book_released(drafting, after, who, session.planned.ordinal);
    }

    fn book_released(&mut self, drafting: &mut Drafting<'_>, after: &SessionState, who: usize, ordinal: u32) {
        let local_date = drafting.plan.zone.to_datetime(after.starts_at).date();
        let at = Occurrence { ordinal, local_date, starts_at: after.starts_at, ends_at: after.ends_at };
        let time = reserved_time([at]);
        self.helpers[who].calendar.reserve(&time);
        self.student(drafting).reserve(&time);
        let terms = Some(JudgedTrainer::from(&self.helpers[who].row.trainer));
        drafting.wish.sessions.push(Wanted { ordinal, after: after.clone(), terms });
    }

    fn student(&mut self, drafting: &Drafting<'_>) -> &mut Calendar {
        self.students.entry(drafting.purchase.confirmation.student.id.clone()).or_default()
    }

    fn id(&self, who: usize) -> String {
        self.helpers[who].row.trainer.trainer_id.clone()
    }
}

/// Who of those who are able could take a session as it is, and what room they have in its week.
fn places(able: &[(usize, &Helper)], at: Occurrence, room: &mut HashMap<Place, u32>) -> Vec<Place> {
    let time = reserved_time([at]);
    let is_free =
        |helper: &Helper| has_hours(&helper.row.trainer, &helper.hours, &at) && !helper.calendar.overlaps(&time);
    let place = |(who, helper): &(usize, &Helper)| {
        let (week, left) = room_in_week(&helper.row.trainer, &helper.hours, &helper.calendar, at.starts_at)?;
        let place = Place { who: *who, week };
        room.insert(place, left);
        (left > 0).then_some(place)
    };
    able.iter().filter(|(_, helper)| is_free(helper)).filter_map(place).collect()
}

/// A purchase's proposals as they are drafted.
struct Drafting<'a> {
    purchase: &'a Purchase,
    /// With the sessions that were added so far.
    plan: Schedule,
    wish: Wish,
    added: u16,
    proposals: Vec<Proposal>,
}

impl Drafting<'_> {
    fn propose(&mut self, session: &Standing, remedy: Remedy) {
        let student = &self.purchase.confirmation.student;
        self.proposals.push(Proposal {
            purchase_id: self.purchase.id,
            student_id: student.id.clone(),
            time_zone: student.time_zone.clone(),
            session_id: session_id(self.purchase.id, session.planned.ordinal),
            ordinal: session.planned.ordinal,
            before: session.state.clone(),
            remedy,
        });
    }
}

/// Those who could stand in for some of it if they had nothing else to do: most first, and no more than are looked at.
async fn candidates(platform: &Platform, away: &Trainer, affected: &[Affected]) -> Result<Vec<String>, ChangeError> {
    let all: usize = affected.iter().map(|affected| affected.sessions.len()).sum();
    let mut able: Vec<(usize, String)> = Vec::new();
    let mut after: Option<String> = None;
    // Nobody who comes later could take more than all of it.
    while able.iter().filter(|(could, _)| *could == all).count() < CANDIDATES_MAX {
        let page = platform.store.list_trainers(after.as_deref(), PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.trainer_id.clone());
        for (trainer, _) in page.iter().filter(|(trainer, _)| trainer.trainer_id != away.trainer_id) {
            let could = could_take(trainer, affected);
            if could > 0 {
                able.push((could, trainer.trainer_id.clone()));
            }
        }
    }
    able.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    able.truncate(CANDIDATES_MAX);
    Ok(able.into_iter().map(|(_, id)| id).collect())
}

/// Most trainers teach something else: their hours are worked out for the others only.
fn could_take(trainer: &Trainer, affected: &[Affected]) -> usize {
    let theirs = |affected: &&Affected| {
        let Confirmation { student, course, .. } = &affected.purchase.confirmation;
        is_able(trainer, &student.languages, course)
    };
    let mut theirs = affected.iter().filter(theirs).peekable();
    if theirs.peek().is_none() {
        return 0;
    }
    let hours = Hours::of(trainer);
    let of_plan = |affected: &Affected| {
        let sessions = affected.sessions.iter().map(|session| session.occurrence(&affected.plan.zone));
        sessions.filter(|at| has_hours(trainer, &hours, at)).count()
    };
    theirs.map(of_plan).sum()
}
