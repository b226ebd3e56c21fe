//! `caravan trainers leave`: what falls into a leave, and what becomes of it.

use caravan::config::Settings;
use caravan::life::leave::{Proposal, Remedy, Request, apply, propose};
use caravan_domain::session::SessionState;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::cli::args::LeaveArgs;
use crate::cli::failure::Failure;
use crate::cli::output::{List, Output, Row, counted, printable};
use crate::cli::sessions::time_shown;
use crate::cli::{existing, person, time_data};

pub(super) async fn run(settings: &Settings, args: LeaveArgs, output: &mut Output) -> Result<(), Failure> {
    if let Some(until) = args.until.filter(|until| *until < args.from) {
        return Err(Failure::usage(format!("--until {until} is before --from {}", args.from)));
    }
    let json = args.list.json;
    let request = Request {
        trainer_id: args.id,
        from: args.from,
        until: args.until,
        actor: person::actor(args.by)?,
        reason: args.reason.map(|reason| person::text_of(reason, "--reason")).transpose()?.unwrap_or_default(),
    };
    let Some(app) = existing(settings, "nobody can be away").await? else {
        return Err(Failure::work(format!("there is no trainer {}", printable(&request.trainer_id))));
    };
    time_data::settled(&app).await?;
    let found = if args.plan { propose(&app.platform, &request).await } else { apply(&app.platform, &request).await };
    let proposals = found.map_err(|error| Failure::work(error.to_string()))?;
    let mut list = List::of::<ProposalRow>(output, args.list);
    for proposal in &proposals {
        list.push(&ProposalRow::from(proposal))?;
    }
    list.finish("no session falls into it")?;
    if json || proposals.is_empty() { Ok(()) } else { output.line(summary(&proposals, args.plan)) }
}

/// What it costs.
fn summary(proposals: &[Proposal], planned: bool) -> String {
    let count = |name: &str| proposals.iter().filter(|proposal| proposal.remedy.name() == name).count();
    let all = counted(proposals.len() as u64, "session falls", "sessions fall");
    let left = match count("person") {
        0 => "nothing is left to a person".to_owned(),
        left => format!("{left} left to a person (see `caravan sessions move --help`)"),
    };
    let would = if planned { "; nothing was changed" } else { "" };
    format!(
        "\n{all} into it: somebody stands in for {}, {} moved within the week, {} made up for at the end, {left}{would}",
        count("substitute"),
        count("move"),
        count("makeup")
    )
}

/// A proposal as it is listed. Instants are UTC.
#[derive(Serialize)]
struct ProposalRow {
    session_id: Uuid,
    purchase_id: Uuid,
    student_id: String,
    ordinal: u32,
    time_zone: String,
    before: SessionState,
    remedy: &'static str,
    /// How it stands, or would stand.
    after: Option<SessionState>,
    /// When the session that is added instead starts.
    makeup_starts_at: Option<Timestamp>,
}

impl From<&Proposal> for ProposalRow {
    fn from(proposal: &Proposal) -> Self {
        let (after, makeup_starts_at) = match &proposal.remedy {
            Remedy::Substitute(after) | Remedy::Move(after) => (Some(after.clone()), None),
            Remedy::Makeup(at, _) => (None, Some(*at)),
            Remedy::Person => (None, None),
        };
        Self {
            session_id: proposal.session_id,
            purchase_id: proposal.purchase_id,
            student_id: proposal.student_id.clone(),
            ordinal: proposal.ordinal,
            time_zone: proposal.time_zone.clone(),
            before: proposal.before.clone(),
            remedy: proposal.remedy.name(),
            after,
            makeup_starts_at,
        }
    }
}

impl Row for ProposalRow {
    const COLUMNS: &'static [&'static str] = &["SESSION", "STUDENT", "NO", "WAS", "NOW"];

    fn cells(&self) -> Vec<String> {
        let now = match (&self.after, self.makeup_starts_at) {
            (Some(after), _) if after.starts_at == self.before.starts_at => format!("with {}", after.trainer_id),
            (Some(after), _) => format!("{} with {}", time_shown(after.starts_at, &self.time_zone), after.trainer_id),
            (None, Some(at)) => format!("instead {}", time_shown(at, &self.time_zone)),
            (None, None) => "for a person to decide".to_owned(),
        };
        vec![
            self.session_id.to_string(),
            self.student_id.clone(),
            self.ordinal.to_string(),
            time_shown(self.before.starts_at, &self.time_zone),
            now,
        ]
    }
}
