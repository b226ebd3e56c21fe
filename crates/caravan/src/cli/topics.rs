//! `caravan topics`: the topics of the log.

use caravan::app::App;
use caravan::config::Settings;
use caravan_domain::event::Topic;
use serde::Serialize;
use uuid::Uuid;

use super::args::{ListArgs, TopicsCommand};
use super::existing;
use super::failure::Failure;
use super::output::{List, Output, Row, counted};

pub(crate) async fn run(settings: &Settings, command: TopicsCommand, output: &mut Output) -> Result<(), Failure> {
    match command {
        TopicsCommand::Create => create(settings, output).await,
        TopicsCommand::List(args) => list(settings, args, output).await,
    }
}

async fn create(settings: &Settings, output: &mut Output) -> Result<(), Failure> {
    let app = App::open(settings).await?;
    let created = app.platform.log.create_topics(settings.partitions).await?;
    for topic in &created {
        let partitions = counted(settings.partitions.into(), "partition", "partitions");
        output.line(format!("created {} with {partitions}", app.physical_name(*topic)))?;
    }
    if created.is_empty() {
        output.line("all topics are there already")?;
    }
    Ok(())
}

#[derive(Serialize)]
struct TopicRow {
    topic: Topic,
    partition: usize,
    start: u64,
    end: u64,
    topic_id: Uuid,
}

impl Row for TopicRow {
    const COLUMNS: &'static [&'static str] = &["TOPIC", "PARTITION", "START", "END", "RECORDS"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.topic.to_string(),
            self.partition.to_string(),
            self.start.to_string(),
            self.end.to_string(),
            self.end.saturating_sub(self.start).to_string(),
        ]
    }
}

async fn list(settings: &Settings, args: ListArgs, output: &mut Output) -> Result<(), Failure> {
    let Some(app) = existing(settings, "nothing to list").await? else { return Ok(()) };
    let mut list = List::of::<TopicRow>(output, args);
    for topic in app.platform.log.topics().await? {
        for (partition, state) in topic.partitions.iter().enumerate() {
            let row =
                TopicRow { topic: topic.topic, partition, start: state.start, end: state.end, topic_id: topic.id };
            list.push(&row)?;
        }
    }
    list.finish("no topics; create them with: caravan topics create")
}
