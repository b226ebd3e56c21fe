//! Commands of people that are killed at any moment, beside workers, and given again: the effect is there once.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::place::{Place, in_days};
use crate::sample::payment;

const TRAINERS: usize = 6;
const PLANS: usize = 36;
const ADOPTED: usize = 60;
/// From before a process has opened the database until after most have done all of it.
const LIFE_MILLIS: std::ops::Range<u64> = 2..60;

/// A plan at a time of its own: one trainer could teach all of them.
fn plan(payment_id: &str, number: usize) -> Value {
    let days = [["mon", "wed"], ["tue", "thu"], ["fri", "sat"]][number % 3];
    let at = format!("{:02}:00", 6 + number / 3 % 17);
    let slots = days.map(|weekday| json!({ "weekday": weekday, "at": at }));
    payment(payment_id, json!({ "plan": { "start_date": in_days(14), "sessions": 6, "slots": slots } }))
}

/// A place with plans under way, and workers that go on with them.
struct Life {
    place: Place,
    random: ChaCha8Rng,
    /// How many processes were killed before they had ended.
    killed: usize,
}

impl Life {
    fn begins(seed: u64) -> Self {
        let place = Place::with_trainers(TRAINERS);
        place.confirm((0..PLANS).map(|number| plan(&format!("pay_{number}"), number)));
        place.drain();
        Self { place, random: ChaCha8Rng::seed_from_u64(seed), killed: 0 }
    }

    /// Gives a command that is killed, so many times, and then once more.
    #[track_caller]
    fn insists(&mut self, args: &[&str], times: usize) {
        for _ in 0..times {
            let mut command = self.place.spawn(args, &[]);
            std::thread::sleep(Duration::from_millis(self.random.random_range(LIFE_MILLIS)));
            self.killed += usize::from(!command.has_ended());
            command.kill();
        }
        self.place.run(args).ok();
    }

    /// How often each purchase was changed so.
    async fn changes(&self, kind: &str) -> Vec<i64> {
        let mut connection = self.place.connect().await;
        let sql = "SELECT count(*) FROM purchase_changes WHERE kind = ?1 GROUP BY purchase ORDER BY 1";
        sqlx::query_scalar(sql).bind(kind).fetch_all(&mut connection).await.unwrap()
    }

    fn sessions(&self, of: &[&str]) -> Vec<Value> {
        self.place.run(&[&["sessions", "list", "--json"], of].concat()).json_lines()
    }

    fn ends(&self, at_least: usize) {
        assert!(self.killed >= at_least, "only {} were killed at work", self.killed);
        self.place.drain();
        self.place.nothing_is_left_over(0);
    }
}

fn text<'a>(row: &'a Value, member: &str) -> &'a str {
    row[member].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_moved_and_purchases_called_off_once() {
    let mut life = Life::begins(21);
    let mut workers = life.place.start();
    for number in 0..12 {
        let purchase = format!("pay_{number}");
        let session = life.sessions(&["--purchase", &purchase]).swap_remove(0);
        // Nobody else is taught at night.
        let to = format!("{}T{:02}:00", text(&session, "local_date"), number / 3);
        life.insists(&["sessions", "move", text(&session, "session_id"), "--to", &to, "--reason", "a trip"], 2);
        let after = life.sessions(&["--purchase", &purchase]).swap_remove(0);
        assert_eq!(after["planned_starts_at"], session["starts_at"]);
        assert_ne!(after["starts_at"], session["starts_at"]);
        if number % 2 == 0 {
            life.insists(&["purchases", "cancel", &purchase, "--reason", "moved abroad"], 2);
            let after = life.sessions(&["--purchase", &purchase]);
            assert!(after.iter().all(|session| session["status"] == "cancelled"), "{after:?}");
        }
    }
    workers.terminate();
    assert_eq!(workers.ended().0, Some(0));
    assert_eq!(life.changes("session-moved").await, [1; 12]);
    assert_eq!(life.changes("cancelled").await, [1; 6]);
    life.ends(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leave_is_gone_on_with_where_it_was_broken_off() {
    let mut life = Life::begins(22);
    let mut workers = life.place.start();
    let (from, until) = (in_days(10), in_days(40));
    let falls_into = |life: &Life, id: &str| -> Vec<Value> {
        let mut theirs = life.sessions(&["--trainer", id, "--from", &from, "--until", &until]);
        theirs.retain(|session| session["status"] == "scheduled");
        theirs
    };
    let mut plans = std::collections::BTreeSet::new();
    for id in ["trn_0", "trn_1"] {
        let before = falls_into(&life, id);
        assert!(!before.is_empty(), "{id} teaches nobody");
        plans.extend(before.iter().map(|session| text(session, "purchase_id").to_owned()));
        life.insists(&["trainers", "leave", id, "--from", &from, "--until", &until, "--reason", "flu"], 6);
        assert_eq!(falls_into(&life, id), [] as [Value; 0], "somebody stands in");
        let trainers = life.place.run(&["trainers", "list", "--json"]).json_lines();
        let trainer = trainers.iter().find(|trainer| trainer["trainer_id"] == id).unwrap();
        assert_eq!(trainer["time_off"], json!([{ "from": from, "until": until }]));
    }
    workers.terminate();
    assert_eq!(workers.ended().0, Some(0));
    let changes = life.changes("trainer-leave").await;
    // Who stood in for the first may have been the second.
    assert!(changes.iter().all(|count| *count <= 2) && changes.len() >= plans.len() / 2, "{changes:?}");
    let session_changes: Vec<i64> = {
        let mut connection = life.place.connect().await;
        let sql = "SELECT count(*) FROM session_changes GROUP BY seq, trainer_id";
        sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
    };
    assert!(session_changes.iter().all(|count| *count == 1), "nobody stood in for the same session twice");
    life.ends(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_plans_moves_in_once_or_not_at_all() {
    let mut life = Life::begins(23);
    let mut workers = life.place.start();
    life.place.write_lines(
        "roster.jsonl",
        (0..TRAINERS).map(|number| crate::sample::trainer(&format!("new_{number}"), json!({}))),
    );
    life.place.run(&["trainers", "import", "roster.jsonl"]).ok();
    let line = |number: usize| {
        let mut line = plan(&format!("moved_{number}"), number);
        let slots = line["plan"]["slots"].clone();
        line["allocation"] = json!({ "trainer_id": format!("new_{}", number % TRAINERS), "slots": slots });
        line["first_ordinal"] = json!(2);
        line
    };
    for file in 0..6 {
        let of_file = ADOPTED / 6 * file..ADOPTED / 6 * (file + 1);
        life.place.write_lines("plans.jsonl", of_file.map(line));
        for _ in 0..3 {
            let command = life.place.spawn(&["purchases", "adopt", "plans.jsonl"], &[]);
            std::thread::sleep(Duration::from_millis(life.random.random_range(LIFE_MILLIS)));
            command.kill();
            let there = life.place.run(&["purchases", "list", "--json"]).json_lines().len() - PLANS;
            assert!(there == ADOPTED / 6 * file || there == ADOPTED / 6 * (file + 1), "{there} moved in");
        }
        life.insists(&["purchases", "adopt", "plans.jsonl"], 1);
    }
    workers.terminate();
    assert_eq!(workers.ended().0, Some(0));
    let purchases = life.place.run(&["purchases", "list", "--json"]).json_lines();
    assert_eq!(purchases.len(), PLANS + ADOPTED);
    let mut connection = life.place.connect().await;
    let sql = "SELECT count(*) FROM allocations WHERE trainer_id LIKE 'new_%'";
    let allocations: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    assert_eq!(allocations, ADOPTED as i64);
    drop(connection);
    life.ends(1);
}
