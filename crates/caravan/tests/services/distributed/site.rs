//! A namespace on the services, used through the built program by any number of processes.

use caravan::platform::distributed::GroupProtocol;
use serde_json::Value;

use crate::place::{Place, Running, coming, until};
use crate::services::Namespace;

/// Small batches: more steps to be interrupted in.
pub(crate) const SMALL_BATCHES: [(&str, &str); 2] = [("CARAVAN_BATCH_RECORDS_MAX", "5"), ("CARAVAN_LOG", "info")];

/// A place whose processes share a namespace.
pub(crate) struct Site {
    pub(crate) place: Place,
    pub(crate) namespace: Namespace,
}

impl Site {
    /// One with trainers, on the services that the environment names.
    pub(crate) fn with_trainers(count: usize) -> Self {
        Self::on(Namespace::new(), count)
    }

    pub(crate) fn on(namespace: Namespace, trainers: usize) -> Self {
        let options = &namespace.0;
        let protocol = match options.kafka_group_protocol {
            GroupProtocol::Classic => "classic",
            GroupProtocol::Consumer => "consumer",
        };
        let properties = options.kafka_properties.iter().map(|(name, value)| format!("{name}={value};"));
        let place = Place::of(vec![
            ("CARAVAN_POSTGRES_URL", options.postgres_url.clone()),
            ("CARAVAN_KAFKA_BROKERS", options.kafka_brokers.clone()),
            ("CARAVAN_KAFKA_PROPERTIES", properties.collect()),
            ("CARAVAN_REDIS_URL", options.redis_url.clone()),
            ("CARAVAN_NAMESPACE", options.namespace.clone().unwrap_or_default()),
            ("CARAVAN_KAFKA_GROUP_PROTOCOL", protocol.to_owned()),
        ]);
        place.run(&["migrate"]).ok();
        place.employ(trainers);
        Self { place, namespace }
    }

    /// A topic's or group's name on the brokers.
    pub(crate) fn physical(&self, name: &str) -> String {
        format!("{}.{name}", self.namespace.0.namespace.as_deref().unwrap_or_default())
    }

    /// All four workers in a process, with small batches, once they have started.
    pub(crate) fn start(&self) -> Running {
        let running = self.place.spawn(&["run"], &SMALL_BATCHES);
        until("the workers have started", || running.log().matches("Worker] Started").count() >= 4);
        running
    }

    /// Confirms payments of a series: `count` good ones, each `times` times, and a broken one.
    pub(crate) fn pay(&self, series: &str, count: usize, times: usize) {
        let good = (0..count).map(|number| coming(&format!("{series}_{number}")));
        let mut broken = coming(&format!("{series}_broken"));
        broken["plan"]["minutes"] = 7.into();
        let lines: Vec<Value> = good.chain([broken]).collect();
        for _ in 0..times {
            self.place.confirm(&lines);
        }
    }

    /// Waits until every group has read everything and all of it is told.
    pub(crate) fn comes_to_rest(&self) {
        until("everything is handled", || {
            let groups = self.place.run(&["groups", "--json"]);
            groups.code == Some(0)
                && groups.json_lines().iter().all(|line| {
                    line["lag"].as_u64().is_none_or(|lag| lag == 0)
                        && line["outbox"].as_u64().is_none_or(|rows| rows == 0)
                })
        });
    }

    /// How every test ends: so many purchases, each with a trainer or on the waitlist, so many dead letters, and
    /// nothing left over.
    pub(crate) fn accounts_for(&self, purchases: usize, dead_letters: usize) {
        self.comes_to_rest();
        let rows = self.place.run(&["purchases", "list", "--json"]).json_lines();
        assert_eq!(rows.len(), purchases);
        for row in &rows {
            assert!(row["status"] == "scheduled" || row["status"] == "waitlisted", "{row}");
        }
        self.place.nothing_is_left_over(dead_letters);
    }
}
