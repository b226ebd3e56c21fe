//! Why a transaction was not applied.

use std::collections::BTreeSet;

use super::Advance;
use crate::platform::PlatformError;

/// Why a transaction was not applied. Nothing of it was, unless its acknowledgement was lost.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// Another owner has advanced a position: read the positions again.
    #[error("another consumer of the group has advanced {0}")]
    PositionMoved(String),
    /// The tables are not as they were when the decision was made: look again.
    #[error("{what} changed meanwhile")]
    Conflict {
        /// What changed, in words, with its id.
        what: String,
        /// The trainers that must be read again.
        trainers: Vec<String>,
    },
    /// The store refuses the content: the same transaction fails again.
    #[error("the database refuses it: {0}")]
    Refused(String),
    /// What surrounds us is at fault.
    #[error(transparent)]
    Platform(#[from] PlatformError),
}

impl CommitError {
    /// The conflict about things that are no trainer's.
    pub(in crate::platform) fn changed(what: impl Into<String>) -> Self {
        Self::Conflict { what: what.into(), trainers: Vec::new() }
    }

    /// The conflict about trainers, who must be read again.
    pub(in crate::platform) fn trainers_changed(trainers: BTreeSet<String>) -> Self {
        let what = match trainers.len() {
            1 => format!("trainer {}", trainers.iter().next().map_or("", String::as_str)),
            _ => format!("trainers {}", trainers.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
        };
        Self::Conflict { what, trainers: trainers.into_iter().collect() }
    }

    /// Names the positions of a group that are not where they must be, by what is stored: topic,
    /// partition, next offset.
    pub(in crate::platform) fn positions_moved(
        group: &str,
        advances: &[Advance],
        stored: &[(String, i64, i64)],
    ) -> Self {
        let found = |advance: &Advance| {
            let at = |(topic, partition, _): &&(String, i64, i64)| {
                topic == advance.at.topic.name() && *partition == i64::from(advance.at.partition)
            };
            stored.iter().find(at).map(|(_, _, next)| *next)
        };
        let moved: Vec<_> = advances
            .iter()
            .filter_map(|advance| Some((advance, found(advance)?)))
            .filter(|(advance, next)| u64::try_from(*next) != Ok(advance.from))
            .map(|(advance, next)| {
                format!("{group} {}/{} to {next} (was {})", advance.at.topic, advance.at.partition, advance.from)
            })
            .collect();
        Self::PositionMoved(if moved.is_empty() { format!("{group}'s positions") } else { moved.join(", ") })
    }
}
