//! Server-sent events.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use caravan_domain::access::Role;
use serde_json::Value;

use super::{Api, confirmation, ravi};
use crate::house::House;

/// An event, as it came.
#[derive(Clone, Debug, Default)]
struct Sent {
    id: String,
    name: String,
    data: Value,
}

/// A listener's connection.
struct Listener(BufReader<TcpStream>);

impl Listener {
    fn connect(api: &Api, query: &str, last: Option<&str>) -> Self {
        let mut stream = TcpStream::connect(api.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let token = api.token(Role::Read);
        let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        write!(
            stream,
            "GET /v1/events{query} HTTP/1.1\r\nHost: caravan\r\nAuthorization: Bearer {token}\r\n{last}\r\n"
        )
        .unwrap();
        let mut listener = Self(BufReader::new(stream));
        let status = listener.line();
        assert!(status.contains("200 OK"), "{status}");
        while !listener.line().is_empty() {}
        listener
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.0.read_line(&mut line).expect("something in time"), 0, "the connection ended");
        line.trim_end().to_owned()
    }

    /// The next so many events.
    fn next(&mut self, number: usize) -> Vec<Sent> {
        let (mut events, mut event) = (Vec::new(), Sent::default());
        while events.len() < number {
            let line = self.line();
            match line.split_once(": ") {
                Some(("id", id)) => event.id = id.to_owned(),
                Some(("event", name)) => event.name = name.to_owned(),
                Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                _ if line.is_empty() && !event.name.is_empty() => events.push(std::mem::take(&mut event)),
                _ => {}
            }
        }
        events
    }
}

fn names(events: &[Sent]) -> Vec<&str> {
    let mut names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    names.sort_unstable();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_listens_is_told_and_goes_on_where_they_were() {
    let api = Api::of(House::with(&[ravi()]).await).await;
    api.house.run().await;
    let mut listener = Listener::connect(&api, "", None);
    let mut choosy = Listener::connect(&api, "?types=sessions-scheduled,dead-letter-queue", None);
    api.house.pay(&[confirmation("pay_1")]).await;
    api.house.run().await;
    let told = listener.next(3);
    assert_eq!(names(&told), ["purchase-created", "sessions-scheduled", "trainer-allocated"]);
    let created = told.iter().find(|event| event.name == "purchase-created").unwrap();
    assert_eq!(
        (created.data["specversion"].as_str(), created.data["type"].as_str()),
        (Some("1.0"), Some("purchase-created"))
    );
    assert_eq!(created.data["data"]["payment_id"], "pay_1");
    assert_eq!(names(&choosy.next(1)), ["sessions-scheduled"]);

    // Meanwhile nobody listens.
    let last = told.last().unwrap().id.clone();
    drop(listener);
    api.house.hand_over([b"nonsense".to_vec()]).await;
    api.house.run().await;
    let mut back = Listener::connect(&api, "", Some(&last));
    let missed = back.next(1).remove(0);
    assert_eq!(
        (missed.name.as_str(), missed.data["data"]["reason"].as_str()),
        ("dead-letter-queue", Some("invalid-json"))
    );
    assert_eq!(names(&choosy.next(1)), ["dead-letter-queue"]);
    let wrong = api.get("/v1/events").by(Role::Read).header("last-event-id", "nonsense").send().await;
    assert!(wrong.problem(400).contains("Last-Event-ID"));
    assert!(api.get("/v1/events?types=all").by(Role::Read).send().await.problem(400).contains("types must be"));
    api.end(&[("invalid-json", 1)]).await;
}
