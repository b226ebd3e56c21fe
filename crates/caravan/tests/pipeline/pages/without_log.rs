//! What the dashboard shows while the log does not answer: all that was decided, and what it can't say.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use caravan::platform::PlatformError;
use caravan::platform::log::{Log, NewRecord, Subscription, TopicPartition, TopicState};
use caravan_domain::access::Role;
use caravan_domain::event::Topic;
use jiff::Timestamp;

use super::super::api::{confirmation, ravi};
use super::served;
use super::visitor::Visitor;
use crate::house::House;

/// A log that does not answer any more, in front of one that does.
struct Away(Arc<dyn Log>);

fn no_answer<T>() -> Result<T, PlatformError> {
    Err(PlatformError::Environment("no broker answers".to_owned()))
}

#[async_trait]
impl Log for Away {
    async fn create_topics(&self, partitions: u32) -> Result<Vec<Topic>, PlatformError> {
        self.0.create_topics(partitions).await
    }

    async fn topics(&self) -> Result<Vec<TopicState>, PlatformError> {
        no_answer()
    }

    async fn publish(&self, _: &[NewRecord]) -> Result<(), PlatformError> {
        no_answer()
    }

    async fn subscribe(&self, _: &str, _: &[Topic]) -> Result<Box<dyn Subscription>, PlatformError> {
        no_answer()
    }

    async fn follow(&self, _: &[Topic]) -> Result<Box<dyn Subscription>, PlatformError> {
        no_answer()
    }

    async fn trim(&self, _: &BTreeMap<TopicPartition, u64>, _: Timestamp) -> Result<u64, PlatformError> {
        no_answer()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_shows_itself_and_says_what_it_can_not_say() {
    let mut house = House::with(&[ravi()]).await;
    house.pay(&[confirmation("pay_1")]).await;
    house.run().await;
    let log = Arc::clone(&house.platform.log);
    house.platform.log = Arc::new(Away(Arc::clone(&log)));
    let mut api = served(house).await;
    let visitor = Visitor::with(&api, api.token(Role::Read)).await;
    for (path, says) in [
        ("/", "Nothing can be said of the workers: no broker answers"),
        ("/system", "Nothing can be said of topics and groups: no broker answers"),
        ("/purchases", "Asha"),
        ("/trainers", "Ravi"),
        ("/dead-letters", "Nothing is set aside"),
    ] {
        let page = visitor.get(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        assert!(page.text.contains(says), "{path} does not say {says}: {}", page.text);
    }
    assert_eq!((api.get("/healthz").send().await.status, api.get("/readyz").send().await.status), (200, 503));
    api.house.platform.log = log;
    api.end(&[]).await;
}
