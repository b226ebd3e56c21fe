//! Nobody waits in vain: a purchase is on the waitlist only if no trainer fits.

use caravan_domain::allocation::{self, Calendar, Decision, Request, Roster, TrainerState};
use caravan_domain::purchase::folded;
use jiff::Timestamp;

use crate::simulation::policy;
use crate::tables::{PurchaseRow, Tables, party};
use crate::world::State;

pub(super) fn check(state: &State, found: &mut Vec<String>) {
    let tables = &state.tables;
    let roster = roster(tables);
    for waiting in tables.waitlist.values() {
        let Some(row) = tables.purchases.get(&waiting.purchase_id) else {
            found.push(format!("waitlist: {} waits and isn't there", waiting.purchase_id));
            continue;
        };
        if let Some(trainer) = who_fits(&roster, tables, row, state.latest) {
            found.push(format!("waitlist: {} waits although {trainer} fits", row.id));
        }
    }
}

fn roster(tables: &Tables) -> Roster {
    let rules = allocation::Policy { max_skipped: policy().max_skipped, lead_days: policy().lead_days };
    let mut roster = Roster::new(rules);
    roster.set_closures(tables.closures.to_vec());
    for record in tables.trainers.values() {
        let row = tables.trainer_row(record);
        let calendar = Calendar::from_rows(row.calendar);
        roster.upsert(TrainerState { trainer: row.trainer, calendar, share: row.share });
    }
    roster
}

fn who_fits(roster: &Roster, tables: &Tables, row: &PurchaseRow, now: Timestamp) -> Option<String> {
    let confirmation = &row.confirmation;
    let student = &confirmation.student;
    let request = Request {
        purchase_id: row.id,
        student_id: student.id.clone(),
        time_zone: student.time_zone.clone(),
        languages: student.languages.clone(),
        course: confirmation.course.clone(),
        plan: confirmation.plan.clone(),
        preferred_trainer_id: confirmation.preferred_trainer_id.clone(),
        previous_trainer_id: tables.previous_trainer(&student.id, &folded(&confirmation.course.subject)),
        student_calendar: Calendar::from_rows(tables.reserved(&party("student", &student.id))),
    };
    match roster.allocate(&[request], now).pop()? {
        Decision::Allocated(booking) => Some(booking.trainer_id),
        Decision::Waitlisted(_) => None,
    }
}
