//! The HTTP interface, asked as its users ask it, on top of the same pipeline.

use caravan::access::create_token;
use caravan::engine::Stop;
use caravan::http::{self, Options, Server};
use caravan::workers::WorkerKind;
use caravan_domain::access::Role;
use serde_json::{Value, json};

use crate::house::House;

mod calendars;
mod events;
mod keys;
mod orders;
mod payments;
mod reading;
mod roles;
mod roster;
mod slow;
mod webhooks;
mod whole;

/// What the webhooks of these tests are signed with: a new secret, and the one before it.
const STRIPE_SECRETS: &str = "whsec_new,whsec_old";
const RAZORPAY_SECRETS: &str = "rzp_secret";

/// A Caravan that is served, and a token of each role.
pub(crate) struct Api {
    pub(crate) house: House,
    server: Server,
    stop: Stop,
    tokens: Vec<(Role, String)>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value.as_str())
    }

    /// The JSON of an answer with this status.
    pub(crate) fn with(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// Its words, if it is a problem with this status.
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!((self.status, self.header("content-type")), (status, "application/problem+json"), "{}", self.text);
        let body = self.json();
        assert_eq!(body["status"], status, "{body}");
        assert!(body["type"].as_str().unwrap().starts_with("urn:caravan:problem:"), "{body}");
        body["detail"].as_str().unwrap().to_owned()
    }
}

/// A request to be sent.
pub(crate) struct Asking<'a> {
    api: &'a Api,
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Asking<'_> {
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn by(self, role: Role) -> Self {
        let token = self.api.token(role).to_owned();
        self.header("authorization", format!("Bearer {token}"))
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.bytes(body.to_string()).header("content-type", "application/json")
    }

    /// What a form of a page sends.
    pub(crate) fn form(self, fields: &[(&str, &str)]) -> Self {
        let encoded = |(name, value): &(&str, &str)| format!("{}={}", percent_encoded(name), percent_encoded(value));
        let body = fields.iter().map(encoded).collect::<Vec<_>>().join("&");
        self.bytes(body).header("content-type", "application/x-www-form-urlencoded")
    }

    pub(crate) fn bytes(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    pub(crate) async fn send(self) -> Answer {
        let url = format!("http://{}{}", self.api.server.address, self.path);
        let Self { method, headers, body, .. } = self;
        tokio::task::spawn_blocking(move || send(method, &url, headers, body)).await.unwrap()
    }
}

fn send(method: &str, url: &str, headers: Vec<(String, String)>, body: Option<Vec<u8>>) -> Answer {
    let config = ureq::Agent::config_builder().http_status_as_error(false).allow_non_standard_methods(true);
    // Where somebody is sent is told, not followed.
    let agent: ureq::Agent = config.max_redirects(0).build().into();
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let mut response = match body {
        Some(body) => agent.run(request.body(body).unwrap()),
        None => agent.run(request.body(()).unwrap()),
    }
    .unwrap_or_else(|problem| panic!("{method} {url}: {problem}"));
    let text = |(name, value): (&ureq::http::HeaderName, &ureq::http::HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let headers = response.headers().iter().map(text).collect();
    let status = response.status().as_u16();
    Answer { status, headers, text: response.body_mut().read_to_string().unwrap() }
}

impl Api {
    pub(crate) async fn new() -> Self {
        Self::of(House::new().await).await
    }

    pub(crate) async fn of(house: House) -> Self {
        Self::with(house, Options { requests_per_minute_max: 0, ..Options::default() }).await
    }

    pub(crate) async fn with(house: House, options: Options) -> Self {
        let mut tokens = Vec::new();
        house.platform.log.create_topics(3).await.unwrap();
        for role in Role::ALL {
            let (_, secret) = create_token(&house.platform, role.name(), role).await.unwrap();
            tokens.push((role, secret));
        }
        let stop = Stop::new();
        let options = Options {
            workers: WorkerKind::ALL.to_vec(),
            stripe_secrets: http::signatures::Secret::list(STRIPE_SECRETS),
            razorpay_secrets: http::signatures::Secret::list(RAZORPAY_SECRETS),
            ..options
        };
        let server = http::serve("127.0.0.1:0", options, house.stats(), stop.clone()).await.unwrap();
        server.opened(&house.platform, house.ground.installation());
        Self { house, server, stop, tokens }
    }

    pub(crate) fn token(&self, role: Role) -> &str {
        self.tokens.iter().find(|(found, _)| *found == role).map(|(_, token)| token.as_str()).unwrap()
    }

    pub(crate) fn address(&self) -> String {
        self.server.address.to_string()
    }

    fn asking(&self, method: &'static str, path: &str) -> Asking<'_> {
        Asking { api: self, method, path: path.to_owned(), headers: Vec::new(), body: None }
    }

    pub(crate) fn get(&self, path: &str) -> Asking<'_> {
        self.asking("GET", path)
    }

    pub(crate) fn post(&self, path: &str) -> Asking<'_> {
        self.asking("POST", path)
    }

    pub(crate) fn put(&self, path: &str) -> Asking<'_> {
        self.asking("PUT", path)
    }

    pub(crate) fn delete(&self, path: &str) -> Asking<'_> {
        self.asking("DELETE", path)
    }

    /// What a reader is shown.
    pub(crate) async fn read(&self, path: &str) -> Value {
        self.get(path).by(Role::Read).send().await.with(200)
    }

    /// Ends the server and, as every test does, sees that nothing is left over.
    pub(crate) async fn end(self, dead_letters: &[(&str, u64)]) {
        self.stop.request();
        self.server.ended.await.unwrap();
        self.house.nothing_is_left_over(dead_letters).await;
    }
}

fn percent_encoded(text: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}

/// A trainer who teaches python every afternoon.
pub(crate) fn ravi() -> Value {
    let afternoon = |day: &str| json!({ "weekday": day, "from": "14:00", "until": "20:00" });
    let availability = ["mon", "tue", "wed", "thu", "fri"].map(afternoon);
    json!({ "trainer_id": "trn_7", "name": "Ravi", "email": "ravi@example.com", "time_zone": "Europe/Berlin", "languages": ["en"],
            "courses": [{ "subject": "python", "levels": ["beginner"] }], "availability": availability })
}

/// What is bought: a lesson a week, 17:00 in Berlin, over the change of the clocks in spring.
pub(crate) fn wish() -> Value {
    json!({
        "student": { "id": "stu_118", "name": "Asha", "email": "asha@example.com", "time_zone": "Europe/Berlin", "languages": ["en"] },
        "course": { "subject": "python", "level": "beginner" },
        "plan": { "start_date": "2026-12-01", "sessions": 20, "per_week": 1, "minutes": 60, "slots": [{ "weekday": "tue", "at": "17:00" }] },
        "amount": { "minor": 49_900, "currency": "EUR" },
        "metadata": { "campaign": "advent" },
    })
}

/// A confirmed payment of it.
pub(crate) fn confirmation(payment_id: &str) -> Value {
    let mut value = wish();
    value["payment_id"] = json!(payment_id);
    value["confirmed_at"] = json!(crate::house::NOW);
    value
}

/// The signature Stripe would send with a body, made `at` that second with this secret.
pub(crate) fn stripe_signature(body: &str, secret: &str, at: i64) -> String {
    format!("t={at},v1={}", hmac(secret, &format!("{at}.{body}")))
}

/// HMAC-SHA256 in hexadecimal (RFC 2104), from SHA-256 alone: independent of what is tested.
pub(crate) fn hmac(secret: &str, message: &str) -> String {
    use sha2::{Digest, Sha256};
    const BLOCK: usize = 64;
    let mut key = [0_u8; BLOCK];
    key[..secret.len()].copy_from_slice(secret.as_bytes());
    let inner = Sha256::new().chain_update(key.map(|byte| byte ^ 0x36)).chain_update(message.as_bytes()).finalize();
    let outer = Sha256::new().chain_update(key.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize();
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}
