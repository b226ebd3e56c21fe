//! What happens from the outside: payments of every kind, a roster that changes, closures, redrives.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use caravan::platform::log::{Log, NewRecord};
use caravan::platform::rows::DeadLetterFilter;
use caravan::platform::store::Lists;
use caravan::redrive::send_again;
use caravan::roster::{self, Format};
use caravan_domain::event::{Headers, Topic};
use caravan_domain::rejection::Reason;
use jiff::Timestamp;
use rand::RngExt;
use serde_json::{Value, json};

use crate::scheduler::locked;
use crate::world::Handle;

/// Students who buy.
const STUDENTS: usize = 12;
/// How long a command waits before it is tried again.
const AGAIN: Duration = Duration::from_millis(200);

/// What must become of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is a purchase, a repeat of one, or conflicts with one.
    Purchase,
    /// It is set aside for this reason, by whoever reads it.
    SetAside(Reason),
    /// It is set aside by those who look the purchase up, as it names one that isn't there.
    Unknown,
}

/// Every value that was ever sent from the outside, and what must become of it.
pub(crate) type Ledger = Arc<Mutex<BTreeMap<(Topic, Vec<u8>), Fate>>>;

/// A record from the outside.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) topic: Topic,
    pub(crate) key: Option<String>,
    pub(crate) value: Vec<u8>,
    pub(crate) fate: Fate,
}

/// A payment as its service reports it.
pub(crate) fn payment(number: usize, draw: &mut impl FnMut(usize) -> usize) -> Value {
    const ZONES: [&str; 3] = ["Asia/Kolkata", "Europe/Berlin", "America/New_York"];
    const DAYS: [&str; 5] = ["mon", "tue", "wed", "sat", "sun"];
    const TIMES: [&str; 4] = ["17:00", "17:30", "10:00", "02:30"];
    let student = draw(STUDENTS);
    let slots: Vec<Value> = (0..1 + draw(3)).map(|_| json!({"weekday": DAYS[draw(5)], "at": TIMES[draw(4)]})).collect();
    let weekdays: std::collections::BTreeSet<String> = slots.iter().map(|slot| slot["weekday"].to_string()).collect();
    let start = jiff::civil::date(2026, 11, 20).saturating_add(jiff::Span::new().days(draw(40) as i64));
    json!({
        "payment_id": format!("pay_{number}"),
        "item": if draw(6) == 0 { ["a", "b"][draw(2)].into() } else { Value::Null },
        "confirmed_at": "2026-11-23T09:00:00Z",
        "amount": {"minor": 1000 + number, "currency": "INR"},
        "student": {"id": format!("stu_{student}"), "time_zone": ZONES[student % 3], "languages": [(["en", "hi", "de"][draw(3)])]},
        "course": {"subject": (["python", "Chess "][draw(2)]), "level": "beginner"},
        "plan": {
            "start_date": start.to_string(), "sessions": 1 + draw(14), "per_week": 1 + draw(weekdays.len()),
            "minutes": ([45, 60, 90, 20][draw(4)]), "slots": slots,
        },
        "preferred_trainer_id": if draw(5) == 0 { json!("trn_1") } else { Value::Null },
        "metadata": {"campaign": "diwali"},
    })
}

pub(crate) fn confirmed(value: &Value) -> Sent {
    let key = value["payment_id"].as_str().map(str::to_owned);
    Sent { topic: Topic::PurchaseConfirmed, key, value: value.to_string().into_bytes(), fate: Fate::Purchase }
}

/// Payments: most are good, some come again, some differ from what was said before, some are broken.
pub(crate) fn payments(count: usize, draw: &mut impl FnMut(usize) -> usize) -> Vec<Sent> {
    let mut good: Vec<Value> = Vec::new();
    let mut sent = Vec::new();
    for number in 0..count {
        let again = good.len().checked_sub(1).map(|last| good[draw(last + 1)].clone());
        match (draw(20), again) {
            (0..3, Some(again)) => sent.push(confirmed(&again)),
            (3, Some(mut again)) => {
                again["amount"]["minor"] = json!(1);
                sent.push(confirmed(&again));
            }
            (4, _) => sent.push(broken(format!("{{\"payment_id\":\"pay_{number}\","), Reason::InvalidJson)),
            (5, _) => {
                let mut value = payment(number, draw);
                value["plan"]["sessions"] = json!(501 + number);
                sent.push(broken(value.to_string(), Reason::InvalidField));
            }
            _ => {
                good.push(payment(number, draw));
                sent.extend(good.last().map(confirmed));
            }
        }
    }
    for (number, stage) in ["purchase", "allocation", "sessions"].into_iter().enumerate() {
        let at = draw(sent.len());
        sent.insert(at, refused(1_000 + number, stage, draw));
    }
    let at = draw(sent.len());
    sent.insert(at, foreign(Topic::PurchaseCreated, "not JSON", Fate::SetAside(Reason::InvalidJson)));
    for topic in [Topic::PurchaseCreated, Topic::TrainerAllocated] {
        let unknown = json!({"purchase_id": uuid::Uuid::from_u128(7), "allocation_id": uuid::Uuid::from_u128(8)});
        let at = draw(sent.len());
        sent.insert(at, foreign(topic, &unknown.to_string(), Fate::Unknown));
    }
    sent
}

/// A good payment whose purchase the database refuses to write at this stage.
pub(crate) fn refused(number: usize, stage: &str, draw: &mut impl FnMut(usize) -> usize) -> Sent {
    let mut value = payment(number, draw);
    value["metadata"]["refused"] = json!(stage);
    if stage != "purchase" {
        return confirmed(&value);
    }
    value["payment_id"] = json!(format!("refused_{number}"));
    let fate = Fate::SetAside(Reason::ProcessingFailed);
    Sent { fate, ..confirmed(&value) }
}

pub(crate) fn broken(value: String, reason: Reason) -> Sent {
    Sent { topic: Topic::PurchaseConfirmed, key: None, value: value.into_bytes(), fate: Fate::SetAside(reason) }
}

fn foreign(topic: Topic, value: &str, fate: Fate) -> Sent {
    Sent { topic, key: None, value: value.as_bytes().to_vec(), fate }
}

fn draw(handle: &Handle, of: usize) -> usize {
    handle.state().dice.random_range(0..of.max(1))
}

async fn nap(handle: &Handle, millis_max: usize) {
    let millis = draw(handle, millis_max) as u64;
    handle.nap(Duration::from_millis(millis)).await;
}

/// Publishes, a few at a time, until the log has them: what is unsure is published again.
pub(crate) async fn publish(handle: Handle, ledger: Ledger, sent: Vec<Sent>, pause_millis_max: usize) {
    for chunk in sent.chunks(3) {
        nap(&handle, pause_millis_max).await;
        for one in chunk {
            locked(&ledger).insert((one.topic, one.value.clone()), one.fate);
        }
        let now = handle.state().wall();
        let records: Vec<NewRecord> = chunk.iter().map(|one| record(one, now)).collect();
        while handle.publish(&records).await.is_err() {
            handle.nap(AGAIN).await;
        }
    }
}

fn record(sent: &Sent, now: Timestamp) -> NewRecord {
    NewRecord {
        topic: sent.topic,
        key: sent.key.clone().map(String::into_bytes),
        value: Some(sent.value.clone()),
        headers: Headers::new(),
        timestamp: now,
    }
}

/// The roster a run begins with.
pub(crate) const ROSTER: &str = r#"
{"trainer_id":"trn_1","time_zone":"Asia/Kolkata","languages":["en","hi"],"courses":[{"subject":"python","levels":["beginner"]}],"availability":[{"weekday":"mon","from":"08:00","until":"24:00"},{"weekday":"tue","from":"08:00","until":"24:00"},{"weekday":"sat","from":"08:00","until":"24:00"}],"max_sessions_per_week":4}
{"trainer_id":"trn_2","time_zone":"Europe/Berlin","languages":["de","en"],"courses":[{"subject":"python","levels":["beginner"]},{"subject":"chess","levels":["Beginner"]}],"availability":[{"weekday":"wed","from":"00:00","until":"24:00"},{"weekday":"sun","from":"00:00","until":"24:00"},{"weekday":"mon","from":"00:00","until":"24:00"}],"max_sessions_per_week":6}
"#;

/// What becomes of the roster in the course of a run, one after the other.
const EDITS: [&str; 7] = [
    r#"{"trainer_id":"trn_2","max_sessions_per_week":3}"#,
    r#"{"trainer_id":"trn_3","time_zone":"America/New_York","languages":["en","de","hi"],"courses":[{"subject":"chess","levels":["beginner"]},{"subject":"python","levels":["beginner"]}],"availability":[{"weekday":"mon","from":"00:00","until":"24:00"},{"weekday":"tue","from":"00:00","until":"24:00"},{"weekday":"wed","from":"00:00","until":"24:00"},{"weekday":"sat","from":"00:00","until":"24:00"},{"weekday":"sun","from":"00:00","until":"24:00"}],"max_sessions_per_week":5}"#,
    r#"{"trainer_id":"trn_1","time_off":[{"from":"2026-12-01","until":"2026-12-12"}]}"#,
    r#"{"trainer_id":"trn_1","active":false}"#,
    r#"{"trainer_id":"trn_2","availability":[{"weekday":"mon","from":"00:00","until":"24:00"}]}"#,
    r#"{"trainer_id":"trn_1","active":true,"max_sessions_per_week":12,"time_off":null}"#,
    r#"{"trainer_id":"trn_3","max_sessions_per_week":8,"weight":200}"#,
];

/// Imports the roster, then edits it now and then.
pub(crate) async fn edit_roster(handle: Handle, pause_millis_max: usize) {
    import(&handle, ROSTER).await;
    for edit in EDITS {
        nap(&handle, pause_millis_max).await;
        import(&handle, edit).await;
    }
}

/// As `caravan trainers import` does, until it succeeds.
pub(crate) async fn import(handle: &Handle, lines: &str) {
    let entries = roster::trainers_of(lines.as_bytes(), Format::JsonLines).expect("a roster without faults");
    while roster::import_trainers(&handle.platform(), &entries).await.is_err() {
        handle.nap(AGAIN).await;
    }
}

/// As `caravan closures import` does: a holiday comes, then is taken back.
pub(crate) async fn edit_closures(handle: Handle, pause_millis_max: usize) {
    let holiday = r#"{"from":"2026-12-24","until":"2026-12-27","name":"Winter"}"#;
    for (lines, replace) in [(holiday, false), ("", true)] {
        nap(&handle, pause_millis_max).await;
        let entries = roster::closures_of(lines.as_bytes(), Format::JsonLines).expect("closures without faults");
        while roster::import_closures(&handle.platform(), &entries, replace).await.is_err() {
            handle.nap(AGAIN).await;
        }
    }
}

/// As `caravan dead-letters redrive` does: what may succeed as it is, as it is; what the database
/// refuses to record, with another payment in its place.
pub(crate) async fn redrive(handle: Handle, ledger: Ledger, times: usize, pause_millis_max: usize) {
    for number in 0..times {
        nap(&handle, pause_millis_max).await;
        let filter = DeadLetterFilter { waiting: true, ..DeadLetterFilter::default() };
        let Ok(mut letters) = handle.list_dead_letters(&filter, None, 1_000).await else { continue };
        let failing = |reason: &str| reason == Reason::ProcessingFailed.code();
        letters.retain(|letter| !failing(&letter.reason) || letter.topic == Topic::PurchaseConfirmed);
        let Some(chosen) = letters.len().checked_sub(1).map(|last| letters.swap_remove(draw(&handle, last + 1))) else {
            continue;
        };
        let repaired = failing(&chosen.reason).then(|| payment(2_000 + number, &mut |of| draw(&handle, of)));
        if let Some(value) = &repaired {
            let one = confirmed(value);
            locked(&ledger).insert((one.topic, one.value), one.fate);
        }
        let repaired = repaired.map(|value| value.to_string().into_bytes());
        // A person who reads an error looks again later.
        let _ = send_again(&handle.platform(), &[chosen], repaired.as_deref()).await;
    }
}

/// The disk is full for some seconds.
pub(crate) async fn fill_the_disk(handle: Handle, pause_millis_max: usize) {
    nap(&handle, pause_millis_max).await;
    let seconds = 1 + draw(&handle, 8) as u64;
    let mut state = handle.state();
    state.disk_full_until = state.timers.now + seconds * 1_000_000;
}

/// What must become of a value; `None` if it was not sent from the outside.
pub(crate) fn fate_of(ledger: &Ledger, topic: Topic, value: &[u8]) -> Option<Fate> {
    locked(ledger).get(&(topic, value.to_vec())).copied()
}
