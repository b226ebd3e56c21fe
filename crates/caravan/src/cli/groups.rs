//! `caravan groups`: how far each consumer group is, and moving one by hand.

use caravan::app::{App, Member, lock_out_workers, place};
use caravan::config::Settings;
use caravan::lag::{Lag, lags};
use caravan::platform::log::{PartitionState, TopicPartition};
use caravan::platform::transaction::{Effects, Replay, Transaction};
use caravan::workers::WorkerKind;
use caravan_domain::event::Topic;
use serde::Serialize;

use super::args::{GroupsArgs, GroupsCommand, ListArgs, ReplayArgs, ReplayTo};
use super::existing;
use super::failure::Failure;
use super::output::{List, Output, Row, or_dash};

pub(crate) async fn run(settings: &Settings, args: GroupsArgs, output: &mut Output) -> Result<(), Failure> {
    match args.action {
        None => list(settings, args.list, output).await,
        Some(GroupsCommand::Replay(args)) => replay(settings, args, output).await,
    }
}

#[derive(Serialize)]
struct GroupRow {
    group: &'static str,
    topic: Topic,
    partition: u32,
    members: usize,
    committed: Option<u64>,
    end: u64,
    lag: u64,
    lost: Option<&'static str>,
}

impl GroupRow {
    fn new(lag: &Lag, members: &[Member]) -> Self {
        Self {
            group: lag.worker.spec().group,
            topic: lag.topic,
            partition: lag.partition,
            members: members.iter().filter(|member| member.group == lag.worker.spec().group).count(),
            committed: lag.committed,
            end: lag.end,
            lag: lag.records(),
            lost: lag.lost,
        }
    }
}

impl Row for GroupRow {
    const COLUMNS: &'static [&'static str] = &["GROUP", "MEMBERS", "TOPIC", "PARTITION", "COMMITTED", "END", "LAG", ""];

    fn cells(&self) -> Vec<String> {
        vec![
            self.group.to_owned(),
            self.members.to_string(),
            self.topic.to_string(),
            self.partition.to_string(),
            or_dash(self.committed),
            self.end.to_string(),
            self.lag.to_string(),
            self.lost
                .map(|why| format!("LOST: the position {why}; settle it with: caravan groups replay"))
                .unwrap_or_default(),
        ]
    }
}

/// The last line of the list.
#[derive(Serialize)]
struct OutboxRow {
    outbox: u64,
}

async fn list(settings: &Settings, args: ListArgs, output: &mut Output) -> Result<(), Failure> {
    let app = existing(settings, "no groups").await?;
    let mut outbox = 0;
    if let Some(app) = &app {
        let members = app.members().await?;
        let mut list = List::of::<GroupRow>(output, args);
        for lag in lags(&app.platform).await? {
            list.push(&GroupRow::new(&lag, &members))?;
        }
        list.finish("no topics yet; create them with: caravan topics create")?;
        outbox = app.platform.store.totals().await?.outbox;
    }
    if args.json { output.json(&OutboxRow { outbox }) } else { output.line(format!("\noutbox: {outbox} unpublished")) }
}

async fn replay(settings: &Settings, args: ReplayArgs, output: &mut Output) -> Result<(), Failure> {
    check_group(&args)?;
    let Some(app) = App::open_existing(settings).await? else {
        return Err(Failure::work(format!("no database {} yet: no group to move", place(settings))));
    };
    let _claim = lock_out_workers(&app, settings, "groups replay").await?;
    let replays = replays(&app, &args).await?;
    let effects = Effects { replays: replays.clone(), ..Effects::default() };
    app.platform.store.commit(&Transaction { effects, ..Transaction::default() }).await?;
    for replay in replays {
        output.line(format!(
            "{} goes on at {} in {}/{}",
            replay.group, replay.to, replay.at.topic, replay.at.partition
        ))?;
    }
    Ok(())
}

fn check_group(args: &ReplayArgs) -> Result<(), Failure> {
    let specs = WorkerKind::ALL.map(WorkerKind::spec);
    let Some(spec) = specs.iter().find(|spec| spec.group == args.group) else {
        let known = specs.map(|spec| spec.group).join(", ");
        return Err(Failure::usage(format!("there is no group {:?}; groups are {known}", args.group)));
    };
    if spec.topics.contains(&args.topic) {
        return Ok(());
    }
    let consumed = spec.topics.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Err(Failure::usage(format!("{} does not consume {}; it consumes {consumed}", args.group, args.topic)))
}

async fn replays(app: &App, args: &ReplayArgs) -> Result<Vec<Replay>, Failure> {
    let topics = app.platform.log.topics().await?;
    let Some(topic) = topics.into_iter().find(|topic| topic.topic == args.topic) else {
        let problem = format!("topic {} is not there; create it with: caravan topics create", args.topic);
        return Err(Failure::work(problem));
    };
    if let Some(partition) = args.partition
        && partition as usize >= topic.partitions.len()
    {
        let last = topic.partitions.len().saturating_sub(1);
        return Err(Failure::usage(format!("{} has no partition {partition}; the last is {last}", args.topic)));
    }
    let mut replays = Vec::new();
    for (partition, state) in (0..).zip(&topic.partitions) {
        if args.partition.is_none_or(|only| only == partition) {
            let at = TopicPartition { topic: args.topic, partition };
            let to = offset(args.to, *state)
                .map_err(|problem| Failure::usage(format!("{}/{partition} {problem}", args.topic)))?;
            replays.push(Replay { group: args.group.clone(), at, topic_id: topic.id, to });
        }
    }
    Ok(replays)
}

fn offset(to: ReplayTo, PartitionState { start, end }: PartitionState) -> Result<u64, String> {
    match to {
        ReplayTo::Earliest => Ok(start),
        ReplayTo::Latest => Ok(end),
        ReplayTo::Offset(offset) if (start..=end).contains(&offset) => Ok(offset),
        ReplayTo::Offset(offset) => Err(format!("has offsets from {start} to {end} (the end), not {offset}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_stays_inside_the_log() {
        let state = PartitionState { start: 10, end: 20 };
        for (to, offset_or_refusal) in [
            (ReplayTo::Earliest, Ok(10)),
            (ReplayTo::Latest, Ok(20)),
            (ReplayTo::Offset(10), Ok(10)),
            (ReplayTo::Offset(20), Ok(20)),
            (ReplayTo::Offset(9), Err("has offsets from 10 to 20 (the end), not 9".to_owned())),
            (ReplayTo::Offset(21), Err("has offsets from 10 to 20 (the end), not 21".to_owned())),
        ] {
            assert_eq!(offset(to, state), offset_or_refusal);
        }
    }
}
