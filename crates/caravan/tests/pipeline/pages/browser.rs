//! A browser, used as people use it: whatever is on a page is named by the words that are read there, and what is not there
//! yet is waited for.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fantoccini::Client;
use fantoccini::elements::Element;
use serde_json::{Value, json};

use super::driver::Driver;

/// How long a page is waited for to show something.
const PATIENCE: Duration = Duration::from_secs(20);
/// The pause before it is looked at again.
const PAUSE: Duration = Duration::from_millis(50);
/// What a WebDriver calls a reference to an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Names of what is on a page that a failure tells at most.
const NAMES_TOLD_MAX: usize = 80;

/// A desk's window, and a phone's.
pub(super) const DESK: (u32, u32) = (1280, 900);
pub(super) const PHONE: (u32, u32) = (390, 844);

/// A browser, and where it goes.
pub(super) struct Browser {
    site: String,
    client: Client,
    driver: Driver,
}

impl Browser {
    /// One in which nobody is signed in.
    pub(super) async fn at(address: &str) -> Self {
        let (driver, client) = Driver::start().await;
        let browser = Self { site: format!("http://{address}"), client, driver };
        browser.size(DESK).await;
        browser
    }

    /// Goes to a page.
    pub(super) async fn open(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.site)).await.unwrap();
    }

    /// Signs in as somebody does who has been given a token.
    pub(super) async fn sign_in(&self, token: &str) {
        self.open("/sign-in").await;
        self.fill("API token", token).await;
        self.click("Sign in").await;
        self.sees("Sign out").await;
    }

    /// Where it is, from the site on.
    pub(super) async fn place(&self) -> String {
        let url = self.client.current_url().await.unwrap();
        url.as_str().strip_prefix(&self.site).unwrap_or(url.as_str()).to_owned()
    }

    /// Presses what has these words: a button, a link, or what opens details.
    pub(super) async fn click(&self, name: &str) {
        self.click_near(name, "").await;
    }

    /// Presses what has these words, the one closest to others if there are several.
    pub(super) async fn click_near(&self, name: &str, near: &str) {
        self.patiently(&format!("to press {name:?} {near}"), async || {
            let element = self.find("press", name, near).await?;
            element.click().await.map_err(|problem| problem.to_string())
        })
        .await;
    }

    /// Fills in the field with this label.
    pub(super) async fn fill(&self, label: &str, text: &str) {
        self.fill_near(label, "", text).await;
    }

    /// Fills in the field with this label, the one closest to other words if there are several.
    pub(super) async fn fill_near(&self, label: &str, near: &str, text: &str) {
        self.patiently(&format!("to fill in {label:?} {near}"), async || {
            let field = self.find("field", label, near).await?;
            self.type_into(&field, text).await.map_err(|problem| problem.to_string())
        })
        .await;
    }

    async fn type_into(&self, field: &Element, text: &str) -> Result<(), fantoccini::error::CmdError> {
        // Days and times are typed in as many ways as there are languages.
        if field.attr("type").await?.is_some_and(|kind| kind.starts_with("date") || kind == "time") {
            let set = "const [field, text] = arguments; field.focus(); field.value = text; field.dispatchEvent(new Event('change'))";
            return self.client.execute(set, vec![json!(field), json!(text)]).await.map(drop);
        }
        field.clear().await?;
        field.send_keys(text).await
    }

    /// What stands in the field with this label.
    pub(super) async fn filled(&self, label: &str) -> String {
        self.patiently(&format!("to read {label:?}"), async || {
            let field = self.find("field", label, "").await?;
            let value = field.prop("value").await.map_err(|problem| problem.to_string())?;
            Ok(value.unwrap_or_default())
        })
        .await
    }

    /// Chooses an option of the list with this label.
    pub(super) async fn choose(&self, label: &str, option: &str) {
        self.patiently(&format!("to choose {option:?} of {label:?}"), async || {
            let list = self.find("field", label, "").await?;
            list.select_by_label(option).await.map_err(|problem| problem.to_string())
        })
        .await;
    }

    /// Ticks the box with this label.
    pub(super) async fn tick(&self, label: &str) {
        self.patiently(&format!("to tick {label:?}"), async || {
            let field = self.find("field", label, "").await?;
            match field.is_selected().await {
                Ok(true) => Ok(()),
                Ok(false) => field.click().await.map_err(|problem| problem.to_string()),
                Err(problem) => Err(problem.to_string()),
            }
        })
        .await;
    }

    /// What the page says, without the navigation, in one line.
    pub(super) async fn text(&self) -> String {
        let script = "return (document.querySelector('.page') ?? document.body).innerText";
        one_line(&self.patiently("to read the page", async || self.read(script).await).await)
    }

    /// The page's name, as it says it.
    pub(super) async fn heading(&self) -> String {
        one_line(
            &self
                .patiently("to read the heading", async || {
                    self.read("return document.querySelector('h1').innerText").await
                })
                .await,
        )
    }

    /// Waits until the page says this, or it is among what can be pressed.
    pub(super) async fn sees(&self, text: &str) {
        self.patiently(&format!("to see {text:?}"), async || {
            let shown = one_line(&self.read("return document.body.innerText").await?);
            if shown.contains(text) { Ok(()) } else { Err(format!("the page says: {shown}")) }
        })
        .await;
    }

    /// Waits until the page does not say this any more.
    pub(super) async fn does_not_see(&self, text: &str) {
        self.patiently(&format!("not to see {text:?}"), async || {
            let shown = one_line(&self.read("return document.body.innerText").await?);
            if shown.contains(text) { Err(format!("the page says: {shown}")) } else { Ok(()) }
        })
        .await;
    }

    /// Waits until the navigation says that so much waits on a page.
    pub(super) async fn sees_waiting(&self, page: &str, number: u64) {
        let script = "const link = [...document.querySelectorAll('nav a')].find((link) => link.innerText.startsWith(arguments[0]));
            const badge = link.querySelector('.badge');
            return badge === null || badge.hidden ? '0' : badge.querySelector('.number').innerText";
        self.patiently(&format!("that {number} wait at {page:?}"), async || {
            let shown = self.read_with(script, vec![json!(page)]).await?;
            if shown == number.to_string() { Ok(()) } else { Err(format!("it says {shown}")) }
        })
        .await;
    }

    /// Marks the page that is open, until it is loaded anew.
    pub(super) async fn mark(&self) {
        self.client.execute("window.marked = true", Vec::new()).await.unwrap();
    }

    /// Whether it is still the page that was marked.
    pub(super) async fn is_marked(&self) -> bool {
        self.client.execute("return window.marked === true", Vec::new()).await.unwrap() == json!(true)
    }

    /// Looks away from the field that was filled in last, and has the page read anew, as it is whenever something happens.
    pub(super) async fn something_happens(&self) {
        let script = "const done = arguments[0]; document.activeElement.blur(); refresh().then(() => done(), done)";
        self.client.execute_async(script, Vec::new()).await.unwrap();
    }

    /// Whether the page follows what happens.
    pub(super) async fn is_live(&self) -> bool {
        let script = "return document.querySelector('main[data-live]') !== null";
        self.client.execute(script, Vec::new()).await.unwrap() == json!(true)
    }

    /// Whether something can be pressed.
    pub(super) async fn offers(&self, name: &str) -> bool {
        self.find("press", name, "").await.is_ok()
    }

    /// Resizes the window; a phone's is smaller than the browser's own could be.
    pub(super) async fn size(&self, (width, height): (u32, u32)) {
        let parameters = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.driver.devtools("Emulation.setDeviceMetricsOverride", parameters).await;
    }

    /// Prefers dark pages, or light ones.
    pub(super) async fn dark(&self, is_dark: bool) {
        let value = if is_dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": value }]);
        self.driver.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// How far the page is wider than the window.
    pub(super) async fn overflow(&self) -> i64 {
        let script = "const page = document.scrollingElement; return page.scrollWidth - page.clientWidth";
        self.client.execute(script, Vec::new()).await.unwrap().as_i64().unwrap()
    }

    /// Everybody can use the page, as far as a program can tell (axe-core).
    pub(super) async fn check_accessibility(&self) {
        let axe = axe();
        self.client.execute(&axe, Vec::new()).await.unwrap();
        let script = "const done = arguments[arguments.length - 1];
            axe.run({ resultTypes: ['violations'] }).then((found) => done(found.violations), (problem) => done(String(problem)))";
        let found = self.client.execute_async(script, Vec::new()).await.unwrap();
        let violations = found.as_array().unwrap_or_else(|| panic!("axe failed: {found}"));
        let told: Vec<String> = violations.iter().map(violation).collect();
        assert!(told.is_empty(), "{}: not everybody can use it:\n{}", self.place().await, told.join("\n"));
    }

    /// Keeps a picture of the whole page where `CARAVAN_TEST_PICTURES` says, if it does.
    pub(super) async fn picture(&self, name: &str) {
        let Some(directory) = std::env::var_os("CARAVAN_TEST_PICTURES").map(PathBuf::from) else { return };
        let metrics = self.driver.devtools("Page.getLayoutMetrics", json!({})).await;
        let size = &metrics["cssContentSize"];
        let clip = json!({ "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1 });
        let wanted = json!({ "format": "webp", "quality": 80, "captureBeyondViewport": true, "clip": clip });
        let taken = self.driver.devtools("Page.captureScreenshot", wanted).await;
        let picture = STANDARD.decode(taken["data"].as_str().unwrap()).unwrap();
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(format!("{name}.webp")), picture).unwrap();
    }

    async fn read(&self, script: &str) -> Result<String, String> {
        self.read_with(script, Vec::new()).await
    }

    async fn read_with(&self, script: &str, arguments: Vec<Value>) -> Result<String, String> {
        let read = self.client.execute(script, arguments).await.map_err(|problem| problem.to_string())?;
        read.as_str().map(str::to_owned).ok_or_else(|| format!("{read} is no text"))
    }

    async fn find(&self, kind: &str, name: &str, near: &str) -> Result<Element, String> {
        let arguments = vec![json!(kind), json!(name), json!(near)];
        let found =
            self.client.execute(include_str!("finding.js"), arguments).await.map_err(|problem| problem.to_string())?;
        match found["element"][ELEMENT].as_str() {
            Some(id) => Ok(Element::from_element_id(self.client.clone(), id.to_owned().into())),
            None => {
                let names: Vec<&str> = found["names"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .take(NAMES_TOLD_MAX)
                    .collect();
                Err(format!("there are only {names:?}"))
            }
        }
    }

    /// Tries until it works: a page may change under whoever looks at it.
    async fn patiently<T>(&self, what: &str, attempt: impl AsyncFn() -> Result<T, String>) -> T {
        let began = Instant::now();
        loop {
            match attempt().await {
                Ok(done) => return done,
                Err(problem) if began.elapsed() >= PATIENCE => {
                    self.picture("failed").await;
                    panic!("waited in vain {what} at {}: {problem}", self.place().await);
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn axe() -> String {
    let directory = std::env::var("CARAVAN_TEST_AXE")
        .expect("CARAVAN_TEST_AXE is not set: export CARAVAN_TEST_AXE=$(scripts/browser), or run scripts/test");
    let file = PathBuf::from(directory).join("axe.min.js");
    std::fs::read_to_string(&file)
        .unwrap_or_else(|problem| panic!("{} can't be read, scripts/browser installs it: {problem}", file.display()))
}

fn violation(found: &Value) -> String {
    let place =
        |node: &Value| format!("    {}\n      {}", node["target"], node["failureSummary"].as_str().unwrap_or_default());
    let places: Vec<String> = found["nodes"].as_array().into_iter().flatten().map(place).collect();
    format!("  {} ({}): {}\n{}", found["id"], found["impact"], found["help"], places.join("\n"))
}
