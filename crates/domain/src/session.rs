//! A session as it stands: where the plan put it, and what a person has made of it since.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::plan::Occurrence;

mod makeup;
pub(crate) mod rules;

pub use makeup::{MAKEUP_WEEKS_MAX, Makeup, makeup};
pub use rules::{Asked, Hours, SessionRule, broken_rules, contradiction, has_hours, is_able, room_in_week};

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionStatus {
    /// It is to be held.
    Scheduled,
    /// It was held.
    Completed,
    /// Its time passed, and it was not held.
    Missed,
    /// It was called off.
    Cancelled,
}

impl SessionStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Scheduled, Self::Completed, Self::Missed, Self::Cancelled];

    /// The status as it stands in tables and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Completed => "completed",
            Self::Missed => "missed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for SessionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for SessionStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|status| status.name() == text);
        found.ok_or_else(|| format!("unknown session status {text:?}"))
    }
}

/// Who teaches a session, when, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionState {
    /// Who teaches.
    pub trainer_id: String,
    /// Start.
    pub starts_at: Timestamp,
    /// End.
    pub ends_at: Timestamp,
    /// Where it stands.
    pub status: SessionStatus,
}

impl SessionState {
    /// Whether the time of trainer and student is taken by it.
    pub fn takes_time(&self) -> bool {
        self.status != SessionStatus::Cancelled
    }
}

/// How sessions stand that a person has changed, by ordinal.
pub type Changed = BTreeMap<u32, SessionState>;

/// A session of a plan, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Where the plan has it.
    pub planned: Occurrence,
    /// How it stands.
    pub state: SessionState,
    /// Whether a person has changed it.
    pub changed: bool,
}

impl Standing {
    /// The date it takes place on, in the student's zone: the planned one, unless it was moved.
    pub fn local_date(&self, zone: &TimeZone) -> Date {
        if self.state.starts_at == self.planned.starts_at {
            self.planned.local_date
        } else {
            zone.to_datetime(self.state.starts_at).date()
        }
    }

    /// The time it takes, as an occurrence.
    pub fn occurrence(&self, zone: &TimeZone) -> Occurrence {
        Occurrence {
            ordinal: self.planned.ordinal,
            local_date: self.local_date(zone),
            starts_at: self.state.starts_at,
            ends_at: self.state.ends_at,
        }
    }
}

/// A plan's sessions as they stand: those nobody changed are where the plan has them, with its trainer.
pub fn standing<'a>(
    occurrences: impl Iterator<Item = Occurrence> + 'a,
    trainer_id: &'a str,
    changed: &'a Changed,
) -> impl Iterator<Item = Standing> + 'a {
    occurrences.map(move |planned| match changed.get(&planned.ordinal) {
        Some(state) => Standing { planned, state: state.clone(), changed: true },
        None => {
            let (trainer_id, status) = (trainer_id.to_owned(), SessionStatus::Scheduled);
            let state = SessionState { trainer_id, starts_at: planned.starts_at, ends_at: planned.ends_at, status };
            Standing { planned, state, changed: false }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_its_name() {
        for status in SessionStatus::ALL {
            assert_eq!(status.name().parse(), Ok(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.name());
        }
        assert!("held".parse::<SessionStatus>().is_err());
    }

    #[test]
    fn who_changed_nothing_gets_the_plan() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let planned = |ordinal, day: i8| Occurrence {
            ordinal,
            local_date: jiff::civil::date(2026, 12, day),
            starts_at: at(&format!("2026-12-{day:02}T20:00:00Z")),
            ends_at: at(&format!("2026-12-{day:02}T21:00:00Z")),
        };
        let moved = SessionState {
            trainer_id: "trn_2".to_owned(),
            starts_at: at("2026-12-10T20:00:00Z"),
            ends_at: at("2026-12-10T21:00:00Z"),
            status: SessionStatus::Scheduled,
        };
        let changed = Changed::from([(2, moved.clone())]);
        let plan = [planned(1, 1), planned(2, 8)];
        let sessions: Vec<Standing> = standing(plan.into_iter(), "trn_1", &changed).collect();
        assert_eq!((sessions[0].state.trainer_id.as_str(), sessions[0].changed), ("trn_1", false));
        assert_eq!((&sessions[1].state, sessions[1].changed), (&moved, true));
        let kolkata = crate::plan::zone_named("Asia/Kolkata").unwrap();
        let dates: Vec<String> = sessions.iter().map(|session| session.local_date(&kolkata).to_string()).collect();
        // The planned date stands as it was decided; a moved session's is that of its new time.
        assert_eq!(dates, ["2026-12-01", "2026-12-11"]);
    }
}
