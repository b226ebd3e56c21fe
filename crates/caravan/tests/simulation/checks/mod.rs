//! Every guarantee, judged by the tables and the log alone. Each violation begins with the name of
//! the guarantee it breaks.

use crate::workload::Ledger;
use crate::world::State;

mod events;
mod lessons;
mod plans;
pub(crate) mod quiet;
mod records;
mod reserved;
mod waitlist;

/// What is wrong in a world that has become quiet.
pub(crate) fn violations(state: &State, ledger: &Ledger) -> Vec<String> {
    let mut found = Vec::new();
    records::check(state, ledger, &mut found);
    events::check(state, &mut found);
    plans::check(state, &mut found);
    reserved::check(state, &mut found);
    waitlist::check(state, &mut found);
    found
}
