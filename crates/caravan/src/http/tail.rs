//! What is told on the topics, as it is told: read once, for all who listen.
//!
//! The latest events are kept for a while, so that whoever comes back goes on where they were. Where somebody is says a
//! cursor that names every partition: it means the same in every process.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use caravan_domain::event::{Topic, open};
use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};
use tracing::warn;

use super::paging;
use crate::engine::Stop;
use crate::platform::log::{FetchLimit, Fetched, Record, TopicPartition};
use crate::platform::{Platform, PlatformError};

/// The topics that are listened to: what is told, and what was set aside.
const TOPICS: [Topic; 9] = [
    Topic::PurchaseCreated,
    Topic::TrainerAllocated,
    Topic::PurchaseWaitlisted,
    Topic::SessionsScheduled,
    Topic::PurchaseCancelled,
    Topic::PurchaseChanged,
    Topic::SessionsChanged,
    Topic::TrainerChanged,
    Topic::DeadLetterQueue,
];
/// Events that are kept for those who come back.
const KEPT_MAX: usize = 2_000;
/// Events a listener may be behind.
const BEHIND_MAX: usize = 1_000;
/// What is read at once.
const READ: FetchLimit = FetchLimit { records_max: 500, bytes_max: 4 << 20 };
/// How long it is waited for more.
const WAIT: Duration = Duration::from_secs(5);
/// The pause after the log could not be read.
const PAUSE: Duration = Duration::from_secs(1);

/// The next offset of every partition.
type Places = BTreeMap<TopicPartition, u64>;

/// An event that was told.
pub(super) struct Told {
    at: TopicPartition,
    offset: u64,
    /// Where a listener is after it.
    pub(super) cursor: String,
    /// The event, as CloudEvents JSON.
    pub(super) event: Value,
}

impl Told {
    /// What it is of.
    pub(super) fn topic(&self) -> Topic {
        self.at.topic
    }
}

/// What a listener gets.
pub(super) struct Listening {
    /// What came since the cursor it brought.
    pub(super) before: VecDeque<Arc<Told>>,
    /// Whether something came before that which is not kept any more.
    pub(super) gap: bool,
    /// What comes.
    pub(super) live: broadcast::Receiver<Arc<Told>>,
}

/// What was told lately.
#[derive(Default)]
struct Kept {
    told: VecDeque<Arc<Told>>,
    /// Where what is kept begins.
    from: Places,
}

struct Shared {
    kept: Mutex<Kept>,
    live: broadcast::Sender<Arc<Told>>,
    /// Whether it is known where the log ends, so that nothing that comes is missed.
    ready: watch::Sender<bool>,
}

/// The tail of the log.
pub(super) struct Tail {
    platform: Platform,
    stop: Stop,
    shared: Mutex<Option<Arc<Shared>>>,
}

impl Tail {
    pub(super) fn of(platform: Platform, stop: Stop) -> Self {
        Self { platform, stop, shared: Mutex::new(None) }
    }

    /// Listens from now on, or from where the `cursor` says; `None` if that is no cursor.
    pub(super) async fn listen(&self, cursor: Option<&str>) -> Option<Listening> {
        let since =
            cursor.map(|cursor| paging::read(cursor).and_then(places_of)).map_or(Some(None), |read| read.map(Some))?;
        let shared = self.shared();
        let mut ready = shared.ready.subscribe();
        // It only ends with the process, which ends the connection.
        let _ = ready.wait_for(|ready| *ready).await;
        let kept = shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that nothing comes in between.
        let live = shared.live.subscribe();
        let Some(since) = since else { return Some(Listening { before: VecDeque::new(), gap: false, live }) };
        let gap = kept.from.iter().any(|(at, from)| since.get(at).is_some_and(|next| next < from));
        let is_new = |told: &&Arc<Told>| since.get(&told.at).is_none_or(|next| told.offset >= *next);
        Some(Listening { before: kept.told.iter().filter(is_new).cloned().collect(), gap, live })
    }

    /// Begins to read when the first one listens.
    fn shared(&self) -> Arc<Shared> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(shared.get_or_insert_with(|| {
            let (live, _) = broadcast::channel(BEHIND_MAX);
            let begun = Arc::new(Shared { kept: Mutex::default(), live, ready: watch::Sender::new(false) });
            tokio::spawn(follow(self.platform.clone(), self.stop.clone(), Arc::clone(&begun)));
            begun
        }))
    }
}

/// Reads until the process stops; what keeps it from reading is waited out.
async fn follow(platform: Platform, stop: Stop, shared: Arc<Shared>) {
    let mut next = None;
    while !stop.is_requested() {
        let reading = read_on(&platform, &shared, &mut next);
        let problem = tokio::select! {
            ended = reading => ended.err(),
            () = stop.requested() => return,
        };
        if let Some(problem) = problem {
            warn!(%problem, "events can't be read; trying again");
            platform.clock.sleep(PAUSE).await;
        }
    }
}

/// Reads on from where it was, or from the end of the log.
async fn read_on(platform: &Platform, shared: &Shared, next: &mut Option<Places>) -> Result<(), PlatformError> {
    let mut following = platform.log.follow(&TOPICS).await?;
    let partitions = following.assigned().await?;
    let ends: Places = ends(platform).await?.into_iter().filter(|(at, _)| partitions.contains(at)).collect();
    // A topic that was made again ends before where we were.
    let began = next.take().unwrap_or_default();
    let mut places: Places =
        ends.into_iter().map(|(at, end)| (at, began.get(&at).map_or(end, |was| end.min(*was)))).collect();
    begin(shared, &places);
    loop {
        match following.fetch(&places, READ).await? {
            Fetched::Reassigned => return Ok(()),
            Fetched::Records(records) if records.is_empty() => following.wait(WAIT).await,
            Fetched::Records(records) => records.into_iter().for_each(|record| tell(shared, &mut places, &record)),
        }
        *next = Some(places.clone());
    }
}

async fn ends(platform: &Platform) -> Result<Vec<(TopicPartition, u64)>, PlatformError> {
    let mut ends = Vec::new();
    for state in platform.log.topics().await? {
        let at = |partition| TopicPartition { topic: state.topic, partition };
        ends.extend((0..).zip(&state.partitions).map(|(partition, edge)| (at(partition), edge.end)));
    }
    Ok(ends)
}

fn begin(shared: &Shared, places: &Places) {
    let mut kept = shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
    for (at, next) in places {
        kept.from.entry(*at).or_insert(*next);
    }
    shared.ready.send_replace(true);
}

fn tell(shared: &Shared, places: &mut Places, record: &Record) {
    places.insert(record.at, record.offset + 1);
    let cursor = paging::cursor(&cursor_of(places));
    let told = Arc::new(Told { at: record.at, offset: record.offset, cursor, event: event_of(record) });
    let mut kept = shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
    kept.told.push_back(Arc::clone(&told));
    if kept.told.len() > KEPT_MAX
        && let Some(gone) = kept.told.pop_front()
    {
        kept.from.insert(gone.at, gone.offset + 1);
    }
    let _nobody_listens = shared.live.send(told);
}

/// A record as an event (CloudEvents JSON format); of what was set aside its value stays where it is.
fn event_of(record: &Record) -> Value {
    let text = |name: &str| record.headers.get_text(name);
    if record.at.topic == Topic::DeadLetterQueue {
        let original = text("kafka_dlt-original-topic");
        let data = json!({
            "reason": text("caravan-reason"), "detail": text("caravan-detail"), "topic": original,
            "key": record.key.as_deref().map(String::from_utf8_lossy),
        });
        return json!({ "type": record.at.topic, "time": record.timestamp, "data": data });
    }
    let data = open(record.value.as_deref(), &record.headers).map(|envelope| envelope.data).unwrap_or_default();
    json!({
        "specversion": "1.0", "id": text("ce_id"), "source": text("ce_source"), "type": record.at.topic,
        "subject": text("ce_subject"), "time": text("ce_time"), "datacontenttype": "application/json", "data": data,
    })
}

fn cursor_of(places: &Places) -> Vec<(Topic, u32, u64)> {
    places.iter().map(|(at, next)| (at.topic, at.partition, *next)).collect()
}

fn places_of(cursor: Vec<(Topic, u32, u64)>) -> Option<Places> {
    Some(cursor.into_iter().map(|(topic, partition, next)| (TopicPartition { topic, partition }, next)).collect())
}
