//! Who has read how far of what there is.

use super::super::words::{counted, grouped};
use crate::lag::Lag;
use crate::platform::log::{Member, TopicState};
use crate::workers::WorkerKind;

/// How far everybody is.
pub(super) struct Reading {
    pub(super) groups: Vec<Group>,
    /// Positions that nobody can go on from.
    pub(super) lost: Vec<Lost>,
    pub(super) places: Vec<Place>,
    pub(super) topics: Vec<Topic>,
}

/// A worker's group.
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) group: &'static str,
    pub(super) topics: String,
    /// Who reads for it, or why that can't be said.
    pub(super) members: Result<Vec<String>, String>,
    pub(super) class: &'static str,
    pub(super) waiting: String,
}

/// A position that does not fit the log.
pub(super) struct Lost {
    pub(super) words: String,
    /// What settles it.
    pub(super) command: String,
}

/// A group's place in a partition.
pub(super) struct Place {
    pub(super) group: &'static str,
    pub(super) topic: &'static str,
    pub(super) partition: u32,
    pub(super) start: String,
    pub(super) end: String,
    pub(super) committed: String,
    pub(super) lag: String,
    pub(super) is_lost: bool,
}

/// A topic.
pub(super) struct Topic {
    pub(super) name: &'static str,
    pub(super) kept: String,
    /// First and next offset of each partition.
    pub(super) partitions: Vec<String>,
}

impl Reading {
    pub(super) fn of(lags: &[Lag], topics: &[TopicState], members: Result<&[Member], String>) -> Self {
        Self {
            groups: WorkerKind::ALL.into_iter().map(|worker| group(worker, lags, members.clone())).collect(),
            lost: lags.iter().filter_map(lost).collect(),
            places: lags.iter().map(place).collect(),
            topics: topics.iter().map(topic).collect(),
        }
    }
}

fn group(worker: WorkerKind, lags: &[Lag], members: Result<&[Member], String>) -> Group {
    let spec = worker.spec();
    let of = || lags.iter().filter(|lag| lag.worker == worker);
    let waiting: u64 = of().map(Lag::records).sum();
    let is_lost = of().any(|lag| lag.lost.is_some());
    let topics: Vec<&str> = spec.topics.iter().map(|topic| topic.name()).collect();
    Group {
        name: spec.name,
        group: spec.group,
        topics: topics.join(", "),
        members: members.map(|members| named(members, spec.group)),
        class: if is_lost {
            "bad"
        } else if waiting > 0 {
            "cool"
        } else {
            "good"
        },
        waiting: match (is_lost, waiting) {
            (true, _) => "can't go on".to_owned(),
            (false, 0) => "has read everything".to_owned(),
            (false, waiting) => counted(waiting, "record waits", "records wait"),
        },
    }
}

fn named(members: &[Member], group: &str) -> Vec<String> {
    members.iter().filter(|member| member.group == group).map(|member| member.name.clone()).collect()
}

fn lost(lag: &Lag) -> Option<Lost> {
    let why = lag.lost?;
    let group = lag.worker.spec().group;
    Some(Lost {
        words: format!(
            "{group} can't go on in {}, partition {}: its position {why}. Nothing is jumped over until a person decides.",
            lag.topic, lag.partition
        ),
        command: format!("caravan groups replay {group} --topic {} --to earliest", lag.topic),
    })
}

fn place(lag: &Lag) -> Place {
    Place {
        group: lag.worker.spec().group,
        topic: lag.topic.name(),
        partition: lag.partition,
        start: grouped(lag.start),
        end: grouped(lag.end),
        committed: lag.committed.map_or_else(|| "none yet".to_owned(), grouped),
        lag: grouped(lag.records()),
        is_lost: lag.lost.is_some(),
    }
}

fn topic(state: &TopicState) -> Topic {
    let kept: u64 = state.partitions.iter().map(|partition| partition.end.saturating_sub(partition.start)).sum();
    let partitions = state.partitions.iter().map(|at| format!("{}–{}", grouped(at.start), grouped(at.end)));
    Topic { name: state.topic.name(), kept: grouped(kept), partitions: partitions.collect() }
}

#[cfg(test)]
mod tests {
    use caravan_domain::event;
    use uuid::Uuid;

    use super::*;
    use crate::platform::log::PartitionState;

    fn lag(committed: Option<u64>, lost: Option<&'static str>) -> Lag {
        let (worker, topic) = (WorkerKind::Purchase, event::Topic::PurchaseConfirmed);
        Lag { worker, topic, partition: 2, start: 10, end: 1_020, committed, lost }
    }

    #[test]
    fn a_group_is_as_far_behind_as_all_its_partitions_are() {
        let shown = group(WorkerKind::Purchase, &[lag(Some(1_000), None), lag(None, None)], Ok(&[]));
        assert_eq!((shown.class, shown.waiting.as_str()), ("cool", "1\u{202f}030 records wait"));
        assert_eq!(group(WorkerKind::Purchase, &[lag(Some(1_020), None)], Ok(&[])).waiting, "has read everything");
        assert_eq!(group(WorkerKind::Session, &[lag(None, None)], Ok(&[])).class, "good");
    }

    #[test]
    fn a_group_is_shown_with_who_reads_for_it() {
        let member = |group: &str, name: &str| Member { group: group.to_owned(), name: name.to_owned() };
        let members = [member("purchase-creation-workers", "a"), member("cache-invalidation-workers", "b")];
        let reading = Reading::of(&[], &[], Ok(&members));
        let members: Vec<&[String]> = reading.groups.iter().map(|group| group.members.as_deref().unwrap()).collect();
        assert_eq!(members, [&["a".to_owned()][..], &[], &[], &["b".to_owned()]]);
        let reading = Reading::of(&[], &[], Err("no answer in 2 s".to_owned()));
        assert!(reading.groups.iter().all(|group| group.members.is_err()), "what is not known is not nobody");
    }

    #[test]
    fn a_position_that_does_not_fit_is_told_with_what_settles_it() {
        let lags = [lag(Some(1_020), None), lag(Some(9), Some("is before the log's start"))];
        let reading = Reading::of(&lags, &[], Ok(&[]));
        let [lost] = reading.lost.as_slice() else { panic!("{} lost", reading.lost.len()) };
        assert!(lost.words.contains("purchase-confirmed, partition 2: its position is before the log's start"));
        assert_eq!(
            lost.command,
            "caravan groups replay purchase-creation-workers --topic purchase-confirmed --to earliest"
        );
        assert_eq!((reading.groups[0].class, reading.places[1].is_lost), ("bad", true));
    }

    #[test]
    fn a_topic_is_shown_with_what_is_kept_of_it() {
        let partitions = vec![PartitionState { start: 10, end: 20 }, PartitionState { start: 0, end: 1_000 }];
        let shown = topic(&TopicState { topic: event::Topic::PurchaseConfirmed, id: Uuid::nil(), partitions });
        assert_eq!((shown.kept.as_str(), shown.partitions[0].as_str()), ("1\u{202f}010", "10–20"));
    }
}
