//! Whether anything is left to do.

use caravan::engine::cron::Schedule;
use caravan::platform::log::TopicPartition;
use caravan::workers::WorkerKind;

use crate::simulation::policy;
use crate::world::State;

/// What is left to do, in words; nothing if the world is quiet.
pub(crate) fn what_is_left(state: &State) -> Vec<String> {
    let tables = &state.tables;
    let mut left = Vec::new();
    if !tables.outbox.is_empty() {
        left.push(format!("{} rows in the outbox", tables.outbox.len()));
    }
    for spec in WorkerKind::ALL.map(WorkerKind::spec) {
        for (topic, log) in state.log.topics.iter().filter(|(topic, _)| spec.topics.contains(topic)) {
            for (number, partition) in (0..).zip(&log.partitions) {
                let at = TopicPartition { topic: *topic, partition: number };
                let position = tables.positions.get(&(spec.group.to_owned(), at));
                let next = position.map_or(partition.start, |position| position.next_offset);
                if next < partition.end() {
                    left.push(format!("{} is at {next} of {} in {topic}/{number}", spec.group, partition.end()));
                }
            }
        }
    }
    let unseen = tables.waitlist.values().filter(|waiting| waiting.seen_version < tables.roster_version).count();
    if unseen > 0 {
        left.push(format!("{unseen} on the waitlist have not been judged on roster version {}", tables.roster_version));
    }
    let schedule = Schedule::parse(&policy().cron).expect("a schedule");
    if schedule.is_due(tables.cron_last, state.latest) {
        left.push(format!("the cron is due, it last ran for {:?}", tables.cron_last));
    }
    left
}
