//! Chromium and what drives it: processes of one test, which end with it however it ends.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Browsers that run at once; more of them are slower together than one after the other.
static TURNS: Semaphore = Semaphore::const_new(2);
/// What the driver says once it listens.
const LISTENS: &str = "was started successfully on port ";
/// It takes any free port of one address family and then the same of the other, where somebody else may have it.
const STARTS_MAX: usize = 10;

/// A browser's processes.
pub(super) struct Driver {
    child: Child,
    /// Kept open, as it is written to.
    _output: BufReader<ChildStdout>,
    /// Where commands go.
    url: String,
    session_id: Option<String>,
    /// Where they write.
    _directory: TempDir,
    _turn: SemaphorePermit<'static>,
}

impl Driver {
    /// Starts a browser that nobody has used before.
    pub(super) async fn start() -> (Self, Client) {
        let turn = TURNS.acquire().await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let (child, output, port) = listening(directory.path());
        let url = format!("http://127.0.0.1:{port}");
        let mut driver = Self { child, _output: output, url, session_id: None, _directory: directory, _turn: turn };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(wanted().as_object().unwrap().clone())
            .connect(&driver.url)
            .await
            .expect("a browser starts");
        driver.session_id = client.session_id().await.unwrap();
        (driver, client)
    }

    /// Asks for something that only Chromium does (Chrome DevTools Protocol).
    pub(super) async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let url = format!("{}/goog/cdp/execute", self.session());
        let body = json!({ "cmd": command, "params": parameters }).to_string();
        let answer = tokio::task::spawn_blocking(move || {
            let mut response = ureq::post(url).content_type("application/json").send(body).unwrap();
            let text = response.body_mut().with_config().limit(u64::MAX).read_to_string().unwrap();
            serde_json::from_str::<Value>(&text).unwrap()
        });
        answer.await.unwrap()["value"].take()
    }

    fn session(&self) -> String {
        format!("{}/session/{}", self.url, self.session_id.as_deref().unwrap_or_default())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Only the driver can end the browser.
        if self.session_id.is_some() {
            let _ = ureq::delete(self.session()).call();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A driver that listens, what it says, and the port it listens on.
fn listening(directory: &Path) -> (Child, BufReader<ChildStdout>, u16) {
    let mut said = String::new();
    for _ in 0..STARTS_MAX {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .env("TMPDIR", directory)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|problem| panic!("chromedriver can't be run, scripts/browser installs it: {problem}"));
        let mut output = BufReader::new(child.stdout.take().unwrap());
        match port(&mut output) {
            Ok(port) => return (child, output, port),
            Err(instead) => said = instead,
        }
        child.wait().unwrap();
    }
    panic!("chromedriver did not start: {said}");
}

/// The port it says it listens on, or what it said instead until it ended.
fn port(output: &mut impl BufRead) -> Result<u16, String> {
    let mut said = String::new();
    for line in output.lines() {
        let line = line.unwrap();
        if let Some((_, port)) = line.split_once(LISTENS) {
            return Ok(port.trim_end_matches('.').parse().unwrap());
        }
        said.push_str(&line);
    }
    Err(said)
}

fn wanted() -> Value {
    // In a container there is no sandbox, nor much shared memory; pictures and colours are those of a page at rest.
    let arguments = [
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--force-prefers-reduced-motion",
        "--hide-scrollbars",
        "--lang=en-GB",
    ];
    json!({ "browserName": "chrome", "goog:chromeOptions": { "args": arguments } })
}
