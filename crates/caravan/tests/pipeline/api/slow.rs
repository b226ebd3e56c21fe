//! Clients that are slow, or gone, hold nobody up.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use caravan_domain::access::Role;

use super::Api;

/// Longer than any client is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What comes back after so much of a request, and how long that takes.
fn answer_to(address: &str, part: &str) -> (String, Duration) {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(part.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer, begun.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_never_ends_a_request_is_let_go_and_others_are_answered_meanwhile() {
    let api = Api::new().await;
    let (address, token) = (api.address(), api.token(Role::Ingest).to_owned());
    let head = "POST /v1/purchase-confirmations HTTP/1.1\r\nHost: caravan\r\n";
    let half_a_head = head.to_owned();
    let half_a_body = format!("{head}Authorization: Bearer {token}\r\nContent-Length: 1000\r\n\r\n{{");
    // Half a head is nobody's request; half a body is one, that is told.
    let slow = [half_a_head, half_a_body].map(|part| {
        let address = address.clone();
        tokio::task::spawn_blocking(move || answer_to(&address, &part))
    });
    let gone: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(&address).unwrap()).collect();
    for _ in 0..20 {
        api.read("/v1/groups").await;
    }
    let [no_head, no_body] = slow;
    let (answer, _) = no_head.await.unwrap();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    let (answer, took) = no_body.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("urn:caravan:problem:timeout"), "{answer}");
    assert!(took < PATIENCE, "{took:?}");
    drop(gone);
    api.house.run().await;
    api.end(&[]).await;
}
