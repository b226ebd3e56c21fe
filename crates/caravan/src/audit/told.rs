//! What the retained events tell, kept small: 40 bytes for each thing told, so that a million
//! sessions fit a few dozen megabytes.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Deserialize;
use uuid::Uuid;

use crate::platform::evidence::RecordEvidence;

/// What an event can tell of a purchase, an allocation or a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Happening {
    /// A purchase was recorded.
    Created,
    /// A purchase was called off.
    Cancelled,
    /// An allocation was made.
    Allocated,
    /// The purchase's session with this ordinal was put in the calendar.
    Scheduled(u32),
    /// The session with this ordinal was added to the plan; in the calendar at once, or in its time.
    Added(u32),
    /// Sessions of it were changed, which led to this revision.
    Changed(i64),
}

impl std::fmt::Display for Happening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Created => f.write_str("creation"),
            Self::Cancelled => f.write_str("cancellation"),
            Self::Allocated => f.write_str("allocation"),
            Self::Scheduled(ordinal) => write!(f, "session {ordinal}"),
            Self::Added(ordinal) => write!(f, "added session {ordinal}"),
            Self::Changed(revision) => write!(f, "revision {revision}"),
        }
    }
}

/// One thing told: about what, what happened, and by which event. A store that was put back to an
/// earlier copy tells in another epoch what it has decided again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Statement {
    about: Uuid,
    happening: Happening,
    epoch: u64,
    event: u64,
}

/// Everything the retained events tell.
#[derive(Debug, Default)]
pub(super) struct Told {
    statements: Vec<Statement>,
    /// Each event's id with a digest of what its record says.
    events: Vec<(Uuid, u64)>,
    /// Digests of the records on the dead-letter queue.
    dead_letters: Vec<u64>,
}

#[derive(Deserialize)]
struct Payload {
    purchase_id: Option<Uuid>,
    allocation_id: Option<Uuid>,
    revision: Option<i64>,
    #[serde(default)]
    sessions: Vec<Numbered>,
}

#[derive(Deserialize)]
struct Numbered {
    ordinal: u32,
    /// How it stood before it was changed; nothing where it was added.
    before: Option<serde::de::IgnoredAny>,
}

impl Told {
    /// Takes in what a record tells.
    pub(super) fn hear(&mut self, record: &RecordEvidence) {
        match record.topic.as_str() {
            "purchase-confirmed" => {}
            "dead-letter-queue" => self.dead_letters.push(digest(record)),
            _ => self.hear_event(record),
        }
    }

    /// To be called once everything was heard and before anything is asked.
    pub(super) fn settle(&mut self) {
        self.statements.sort_unstable();
        self.statements.dedup();
        self.events.sort_unstable();
        self.events.dedup();
        self.dead_letters.sort_unstable();
        self.dead_letters.dedup();
    }

    /// Whether an event tells this.
    pub(super) fn tells(&self, about: &str, happening: Happening) -> bool {
        let Ok(about) = about.parse::<Uuid>() else { return false };
        self.statements.binary_search_by_key(&(about, happening), |told| (told.about, told.happening)).is_ok()
    }

    /// Whether a record on the dead-letter queue is the same as this one, wherever it stands.
    pub(super) fn is_dead_letter(&self, record: &RecordEvidence) -> bool {
        self.dead_letters.binary_search(&digest(record)).is_ok()
    }

    /// Shows each thing that happened and by how many different events of an epoch it is told.
    pub(super) fn each_happening(&self, mut show: impl FnMut(Uuid, Happening, usize)) {
        let of = |statement: &Statement| (statement.about, statement.happening, statement.epoch);
        let same = |a: &Statement, b: &Statement| of(a) == of(b);
        for run in self.statements.chunk_by(same) {
            show(run[0].about, run[0].happening, run.len());
        }
    }

    /// Shows each event's id and how many different contents its records have.
    pub(super) fn each_event(&self, mut show: impl FnMut(Uuid, usize)) {
        for run in self.events.chunk_by(|a, b| a.0 == b.0) {
            show(run[0].0, run.len());
        }
    }

    fn hear_event(&mut self, record: &RecordEvidence) {
        let Some(headers) = &record.headers else { return };
        // One that was sent again may have been repaired by a person.
        if headers.get("caravan-redrives").is_some() {
            return;
        }
        let Some(id) = headers.get_text("ce_id").and_then(|id| id.parse::<Uuid>().ok()) else { return };
        self.events.push((id, hash_of(&(&record.topic, &record.key, &record.value))));
        let payload = record.value.as_deref().and_then(|value| serde_json::from_slice::<Payload>(value).ok());
        let Some(payload) = payload else { return };
        let (event, epoch) = (hash_of(&id), hash_of(&headers.get_text("ce_caravanepoch")));
        let mut state = |about: Option<Uuid>, happening| {
            self.statements.extend(about.map(|about| Statement { about, happening, epoch, event }));
        };
        match record.topic.as_str() {
            "purchase-created" => state(payload.purchase_id, Happening::Created),
            "purchase-cancelled" => state(payload.purchase_id, Happening::Cancelled),
            "trainer-allocated" => state(payload.allocation_id, Happening::Allocated),
            "sessions-scheduled" => {
                for session in &payload.sessions {
                    state(payload.purchase_id, Happening::Scheduled(session.ordinal));
                }
            }
            "sessions-changed" => {
                if let Some(revision) = payload.revision {
                    state(payload.purchase_id, Happening::Changed(revision));
                }
                for session in payload.sessions.iter().filter(|session| session.before.is_none()) {
                    state(payload.purchase_id, Happening::Added(session.ordinal));
                }
            }
            _ => {}
        }
    }
}

fn digest(record: &RecordEvidence) -> u64 {
    let headers = record.headers.as_ref().map(|headers| {
        headers.iter().map(|header| (header.name.as_str(), header.value.as_deref())).collect::<Vec<_>>()
    });
    hash_of(&(headers, &record.key, &record.value))
}

fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
