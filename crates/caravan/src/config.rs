//! Settings: typed, bounded, and from where they came.
//!
//! Defaults (`caravan.default.toml`) are outranked by a file, the file by the environment, and the
//! environment by the command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use caravan_domain::plan::zone_named;
use figment::error::{Actual, Kind};
use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::{Deserialize, Serialize};

use crate::engine::Policy;
use crate::engine::cron::Schedule;
use crate::http;
use crate::http::signatures::Secret;
use crate::platform::distributed::GroupProtocol;
use crate::platform::log::FetchLimit;
use crate::traces::Endpoint;
use crate::workers::WorkerKind;

/// The one file of defaults, commented; `caravan doctor` and the documentation point at it.
pub const DEFAULTS: &str = include_str!("caravan.default.toml");
/// The file that is read if none is named and it is there.
pub const FILE_NAME: &str = "caravan.toml";
/// Records of a batch on SQLite unless set: the more rows share a page, the fewer pages are written.
const BATCH_RECORDS_EMBEDDED: usize = 5_000;
/// Records of a batch on services unless set: more make nothing faster there, and every worker larger.
const BATCH_RECORDS_DISTRIBUTED: usize = 500;
/// What every environment variable of ours begins with.
pub const ENV_PREFIX: &str = "CARAVAN_";
/// Characters of a namespace.
pub const NAMESPACE_CHARS_MAX: usize = 40;
/// A namespace that would be mistaken for having none.
const NAMESPACE_RESERVED: &str = "caravan";

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// [`Pretty`](Self::Pretty) on a terminal, [`Json`](Self::Json) otherwise.
    #[default]
    Auto,
    /// One readable line each.
    Pretty,
    /// One JSON object each.
    Json,
}

/// What can be set. Each field is a key of `caravan.default.toml`, which says what it means.
#[allow(missing_docs)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub data: PathBuf,
    pub namespace: String,
    pub postgres_url: String,
    pub kafka_brokers: String,
    pub redis_url: String,
    pub kafka_properties: String,
    pub kafka_group_protocol: GroupProtocol,
    pub kafka_replication_factor: u16,
    pub partitions: u32,
    pub log_retention_hours: u32,
    pub batch_records_max: usize,
    pub batch_bytes_max: usize,
    pub attempts_max: u32,
    pub backoff_ms_min: u64,
    pub backoff_ms_max: u64,
    pub window_days: u16,
    pub lead_days: u16,
    pub max_skipped: u16,
    pub full_refund_cancels: bool,
    pub cron: String,
    pub listen: String,
    pub public_url: String,
    pub time_zone: String,
    pub requests_per_minute_max: u32,
    pub stripe_webhook_secrets: String,
    pub razorpay_webhook_secrets: String,
    pub log_format: LogFormat,
    pub log: String,
    pub otlp_endpoint: String,
}

/// The keys of [`Settings`], in the order of the defaults file.
pub const KEYS: [&str; 29] = [
    "data",
    "namespace",
    "postgres_url",
    "kafka_brokers",
    "redis_url",
    "kafka_properties",
    "kafka_group_protocol",
    "kafka_replication_factor",
    "partitions",
    "log_retention_hours",
    "batch_records_max",
    "batch_bytes_max",
    "attempts_max",
    "backoff_ms_min",
    "backoff_ms_max",
    "window_days",
    "lead_days",
    "max_skipped",
    "full_refund_cancels",
    "cron",
    "listen",
    "public_url",
    "time_zone",
    "requests_per_minute_max",
    "stripe_webhook_secrets",
    "razorpay_webhook_secrets",
    "log_format",
    "log",
    "otlp_endpoint",
];

/// Keys whose text is taken as it is, even if it looks like a number or a list.
const TEXT_KEYS: [&str; 14] = [
    "data",
    "namespace",
    "postgres_url",
    "kafka_brokers",
    "redis_url",
    "kafka_properties",
    "cron",
    "listen",
    "public_url",
    "time_zone",
    "stripe_webhook_secrets",
    "razorpay_webhook_secrets",
    "log",
    "otlp_endpoint",
];
/// Keys whose values nobody is to see.
const SECRET_KEYS: [&str; 2] = ["stripe_webhook_secrets", "razorpay_webhook_secrets"];
/// What `listen` is where nothing is served.
const LISTEN_OFF: &str = "off";

/// A number's bounds, both inclusive.
struct Bounds {
    key: &'static str,
    value: fn(&Settings) -> u64,
    min: u64,
    max: u64,
}

const fn bounds(key: &'static str, value: fn(&Settings) -> u64, min: u64, max: u64) -> Bounds {
    Bounds { key, value, min, max }
}

const BOUNDS: [Bounds; 12] = [
    bounds("kafka_replication_factor", |s| s.kafka_replication_factor.into(), 0, 100),
    bounds("partitions", |s| s.partitions.into(), 1, 1_000),
    bounds("log_retention_hours", |s| s.log_retention_hours.into(), 1, 24 * 366 * 10),
    bounds("batch_records_max", |s| s.batch_records_max as u64, 0, 10_000),
    bounds("batch_bytes_max", |s| s.batch_bytes_max as u64, 64 * 1024, 256 * 1024 * 1024),
    bounds("attempts_max", |s| s.attempts_max.into(), 1, 1_000),
    bounds("backoff_ms_min", |s| s.backoff_ms_min, 1, 60_000),
    bounds("backoff_ms_max", |s| s.backoff_ms_max, 1, 3_600_000),
    bounds("window_days", |s| s.window_days.into(), 1, 730),
    bounds("lead_days", |s| s.lead_days.into(), 0, 365),
    bounds("max_skipped", |s| s.max_skipped.into(), 0, 500),
    bounds("requests_per_minute_max", |s| s.requests_per_minute_max.into(), 0, 100_000_000),
];

/// What the command line sets; what it doesn't is left to the environment, file and defaults.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Overrides {
    /// `--data`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// `--namespace`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// `--postgres`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres_url: Option<String>,
    /// `--kafka`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kafka_brokers: Option<String>,
    /// `--redis`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis_url: Option<String>,
    /// `--listen`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// `--log-format`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_format: Option<LogFormat>,
}

/// Why the settings can't be used. All of it is for the one who set them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A file that was named is not there or can't be read.
    #[error("can't read the settings file {file}: {problem}")]
    File {
        /// Which.
        file: String,
        /// Why not.
        problem: String,
    },
    /// A key that is none.
    #[error("unknown key `{key}` in {place}; known keys are {known}", known = KEYS.join(", "))]
    UnknownKey {
        /// Its name.
        key: String,
        /// The file or variable.
        place: String,
    },
    /// A value that can't be.
    #[error("{key} ({place}) {problem}")]
    Value {
        /// The key.
        key: String,
        /// The file or variable.
        place: String,
        /// What it must be, and is.
        problem: String,
    },
    /// Not a settings file at all.
    #[error("{place}: {problem}")]
    Syntax {
        /// The file.
        place: String,
        /// Where and what.
        problem: String,
    },
    /// Some of `--postgres`, `--kafka` and `--redis`, but not all.
    #[error(
        "{} set, but {} not: the distributed topology needs all three of --postgres, --kafka and --redis \
         (or CARAVAN_POSTGRES_URL, CARAVAN_KAFKA_BROKERS, CARAVAN_REDIS_URL); give none of them for the embedded one",
        enumerated(given),
        enumerated(missing)
    )]
    PartialSet {
        /// Those given.
        given: Vec<&'static str>,
        /// Those missing.
        missing: Vec<&'static str>,
    },
}

/// Settings together with where each came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings in force.
    pub settings: Settings,
    figment: Figment,
}

impl Loaded {
    /// Where a key's value came from: `default`, the file's name, `environment` or `command line`.
    pub fn origin(&self, key: &str) -> String {
        origin(&self.figment, key)
    }

    /// Whether a key has its built-in value because nobody set it.
    pub fn is_default(&self, key: &str) -> bool {
        self.origin(key) == DEFAULTS_NAME
    }
}

const DEFAULTS_NAME: &str = "default";
const ENVIRONMENT_NAME: &str = "environment";
const OPTIONS_NAME: &str = "command line";

/// Reads the settings: `file` if it is named (then it must be there), else `caravan.toml` if it is
/// there; then the environment; then `overrides`.
pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Loaded, ConfigError> {
    let mut figment = Figment::from(Layer::of_toml(DEFAULTS_NAME.to_owned(), DEFAULTS)?);
    if let Some((name, text)) = file_text(file)? {
        figment = figment.merge(Layer::of_toml(name, &text)?);
    }
    figment = figment
        .merge(Layer { name: ENVIRONMENT_NAME.to_owned(), values: environment()? })
        .merge(Layer { name: OPTIONS_NAME.to_owned(), values: options(overrides)? });
    let settings: Settings = figment.extract().map_err(|error| explained(error, &figment))?;
    let loaded = Loaded { settings, figment };
    validate(&loaded)?;
    Ok(loaded)
}

/// Environment variables that begin like ours and set nothing: misspelt, or somebody else's.
pub fn unknown_variables() -> Vec<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut unknown: Vec<String> = names
        .filter(|name| name.strip_prefix(ENV_PREFIX).is_some_and(|key| !KEYS.contains(&key.to_lowercase().as_str())))
        .filter(|name| name != ENV_FILE && !OF_SERVICES.iter().any(|prefix| name.starts_with(prefix)))
        .collect();
    unknown.sort();
    unknown
}

/// What the names begin with that `scripts/services` and the tests go by.
const OF_SERVICES: [&str; 5] =
    ["CARAVAN_SERVICES_", "CARAVAN_TEST_", "CARAVAN_KAFKA_SECURE_", "CARAVAN_KAFKA_CACHE", "CARAVAN_KAFKA_MISSING"];

/// The variable that names the settings file.
pub const ENV_FILE: &str = "CARAVAN_CONFIG";

/// One source of settings under a name people know it by.
struct Layer {
    name: String,
    values: Dict,
}

impl Layer {
    fn of_toml(name: String, text: &str) -> Result<Self, ConfigError> {
        let values = match Toml::string(text).data() {
            Ok(mut profiles) => profiles.remove(&Profile::Default).unwrap_or_default(),
            Err(error) => {
                return Err(ConfigError::Syntax { place: name, problem: error.to_string().trim().to_owned() });
            }
        };
        match values.keys().find(|key| !KEYS.contains(&key.as_str())) {
            Some(key) => Err(ConfigError::UnknownKey { key: key.clone(), place: name }),
            None => Ok(Self { name, values }),
        }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

fn file_text(named: Option<&Path>) -> Result<Option<(String, String)>, ConfigError> {
    let path = named.unwrap_or(Path::new(FILE_NAME));
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some((path.display().to_string(), text))),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ConfigError::File { file: path.display().to_string(), problem: error.to_string() }),
    }
}

/// What the command line sets.
fn options(overrides: &Overrides) -> Result<Dict, ConfigError> {
    if overrides.data.as_ref().is_some_and(|data| data.to_str().is_none()) {
        let problem = "is not UTF-8".to_owned();
        return Err(ConfigError::Value { key: "data".to_owned(), place: OPTIONS_NAME.to_owned(), problem });
    }
    let layer = Serialized::defaults(overrides);
    let mut profiles = layer.data().map_err(|error| explained(error, &Figment::new()))?;
    Ok(profiles.remove(&Profile::Default).unwrap_or_default())
}

/// What the environment sets. A variable that is empty sets nothing.
fn environment() -> Result<Dict, ConfigError> {
    let mut values = Dict::new();
    for key in KEYS {
        let variable = format!("{ENV_PREFIX}{}", key.to_uppercase());
        let text = match std::env::var(&variable) {
            Ok(text) if text.is_empty() => continue,
            Ok(text) => text,
            Err(std::env::VarError::NotPresent) => continue,
            Err(std::env::VarError::NotUnicode(_)) => {
                let problem = "is not UTF-8".to_owned();
                return Err(ConfigError::Value { key: key.to_owned(), place: variable, problem });
            }
        };
        let number = if TEXT_KEYS.contains(&key) { None } else { text.trim().parse::<u64>().ok() };
        values.insert(key.to_owned(), number.map_or_else(|| Value::from(text), Value::from));
    }
    Ok(values)
}

/// A fault of the merged settings in our words, blamed on the key and the place it stands in.
fn explained(error: figment::Error, figment: &Figment) -> ConfigError {
    let key = error.path.join(".");
    let place = origin(figment, &key);
    let problem = match error.kind {
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
            let expected = if INTEGERS.contains(&expected.as_str()) { "a whole number" } else { expected.as_str() };
            format!("must be {expected}, is {}", found(actual))
        }
        Kind::UnknownVariant(found, allowed) => format!("must be one of {}, is {found:?}", allowed.join(", ")),
        other => other.to_string(),
    };
    ConfigError::Value { key, place, problem }
}

/// Names of types that say little to people.
const INTEGERS: [&str; 4] = ["u16", "u32", "u64", "usize"];

fn found(actual: Actual) -> String {
    match actual {
        Actual::Signed(number) => number.to_string(),
        Actual::Unsigned(number) => number.to_string(),
        Actual::Str(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

fn origin(figment: &Figment, key: &str) -> String {
    figment.find_metadata(key).map_or_else(|| DEFAULTS_NAME.to_owned(), |metadata| metadata.name.to_string())
}

fn validate(loaded: &Loaded) -> Result<(), ConfigError> {
    let settings = &loaded.settings;
    let wrong = |key: &str, problem: String| {
        Err(ConfigError::Value { key: key.to_owned(), place: loaded.origin(key), problem })
    };
    for Bounds { key, value, min, max } in BOUNDS {
        let value = value(settings);
        if !(min..=max).contains(&value) {
            return wrong(key, format!("must be a whole number from {min} to {max}, is {value}"));
        }
    }
    if settings.backoff_ms_min > settings.backoff_ms_max {
        let problem = format!("must be at most backoff_ms_max ({})", settings.backoff_ms_max);
        return wrong("backoff_ms_min", format!("{problem}, is {}", settings.backoff_ms_min));
    }
    if settings.data.as_os_str().is_empty() {
        return wrong("data", "must name a directory, is empty".to_owned());
    }
    if let Err(problem) = check_namespace(&settings.namespace) {
        return wrong("namespace", problem);
    }
    if let Err(problem) = Schedule::parse(&settings.cron) {
        return wrong("cron", problem);
    }
    if !settings.public_url.is_empty()
        && !["http://", "https://"].iter().any(|scheme| settings.public_url.starts_with(scheme))
    {
        return wrong("public_url", "must begin with http:// or https://".to_owned());
    }
    if !settings.time_zone.is_empty() && zone_named(&settings.time_zone).is_none() {
        let problem = format!("must be the IANA name of a zone, such as Asia/Kolkata, is {:?}", settings.time_zone);
        return wrong("time_zone", problem);
    }
    if let Err(problem) = parse_properties(&settings.kafka_properties) {
        return wrong("kafka_properties", problem);
    }
    if let Err(problem) = Endpoint::read(&settings.otlp_endpoint) {
        return wrong("otlp_endpoint", problem);
    }
    check_services(settings)
}

/// Properties as `name=value`, separated by semicolons or line ends.
fn parse_properties(text: &str) -> Result<Vec<(String, String)>, String> {
    let parts = text.split([';', '\n']).map(str::trim).filter(|part| !part.is_empty());
    let property = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or_default();
        match name.trim() {
            // What stands there may be a secret: only its place is told.
            "" => Err("must be name=value, separated by semicolons, such as security.protocol=ssl".to_owned()),
            name => Ok((name.to_owned(), value.trim().to_owned())),
        }
    };
    parts.map(property).collect()
}

/// An empty namespace is none; any other is a name that fits topics, schemas and file names alike.
fn check_namespace(name: &str) -> Result<(), String> {
    let fits = name.len() <= NAMESPACE_CHARS_MAX
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        && name != NAMESPACE_RESERVED;
    if fits {
        return Ok(());
    }
    Err(format!(
        "must be 1 to {NAMESPACE_CHARS_MAX} lower-case letters, digits and hyphens, and not {NAMESPACE_RESERVED:?}, is {name:?}"
    ))
}

fn check_services(settings: &Settings) -> Result<(), ConfigError> {
    let services = [
        ("--postgres", &settings.postgres_url),
        ("--kafka", &settings.kafka_brokers),
        ("--redis", &settings.redis_url),
    ];
    let (missing, given): (Vec<_>, Vec<_>) = services.iter().partition(|(_, value)| value.is_empty());
    if given.is_empty() || missing.is_empty() {
        return Ok(());
    }
    let names = |list: Vec<&(&'static str, &String)>| list.into_iter().map(|(name, _)| *name).collect();
    Err(ConfigError::PartialSet { given: names(given), missing: names(missing) })
}

impl Settings {
    /// The namespace, if there is one.
    pub fn namespace(&self) -> Option<&str> {
        (!self.namespace.is_empty()).then_some(self.namespace.as_str())
    }

    /// Whether the three services of the distributed topology are named.
    pub fn names_services(&self) -> bool {
        !self.postgres_url.is_empty()
    }

    /// The properties for librdkafka, by name.
    pub fn kafka_properties(&self) -> Vec<(String, String)> {
        parse_properties(&self.kafka_properties).unwrap_or_default()
    }

    /// The numbers the engine works by. `jitter_seed` should differ between processes.
    pub fn policy(&self, jitter_seed: u64) -> Policy {
        Policy {
            batch: FetchLimit { records_max: self.batch_records_max(), bytes_max: self.batch_bytes_max },
            attempts_max: self.attempts_max,
            backoff_min: Duration::from_millis(self.backoff_ms_min),
            backoff_max: Duration::from_millis(self.backoff_ms_max),
            window_days: self.window_days,
            lead_days: self.lead_days,
            max_skipped: self.max_skipped,
            full_refund_cancels: self.full_refund_cancels,
            cron: self.cron.clone(),
            log_retention: Duration::from_secs(u64::from(self.log_retention_hours) * 3_600),
            partitions: self.partitions,
            jitter_seed,
        }
    }

    /// Where HTTP is served, if anywhere.
    pub fn listen(&self) -> Option<&str> {
        Some(self.listen.as_str()).filter(|address| !address.is_empty() && *address != LISTEN_OFF)
    }

    /// How HTTP is served by a process that runs these workers.
    pub fn http(&self, workers: Vec<WorkerKind>) -> http::Options {
        http::Options {
            workers,
            policy: self.policy(0),
            requests_per_minute_max: self.requests_per_minute_max,
            stripe_secrets: Secret::list(&self.stripe_webhook_secrets),
            razorpay_secrets: Secret::list(&self.razorpay_webhook_secrets),
            public_url: Some(self.public_url.clone()).filter(|url| !url.is_empty()),
            time_zone: self.time_zone.clone(),
        }
    }

    fn batch_records_max(&self) -> usize {
        match (self.batch_records_max, self.names_services()) {
            (0, false) => BATCH_RECORDS_EMBEDDED,
            (0, true) => BATCH_RECORDS_DISTRIBUTED,
            (set, _) => set,
        }
    }

    /// A key's value for people, secrets hidden.
    pub fn shown(&self, key: &str) -> String {
        if SECRET_KEYS.contains(&key) {
            let value = serde_json::to_value(self).ok().and_then(|all| all.get(key)?.as_str().map(Secret::list));
            return value.unwrap_or_default().iter().map(|_| "***").collect::<Vec<_>>().join(", ");
        }
        if key == "kafka_properties" {
            // Passwords are among them, under many names.
            return self
                .kafka_properties()
                .into_iter()
                .map(|(name, _)| format!("{name}=***"))
                .collect::<Vec<_>>()
                .join("; ");
        }
        let value = serde_json::to_value(self).ok().and_then(|all| all.get(key).cloned());
        match value {
            Some(serde_json::Value::String(text)) => without_secrets(&text),
            Some(value) => value.to_string(),
            None => String::new(),
        }
    }
}

/// A URL with its password (and a user name, which for Redis may be the secret) blotted out.
fn without_secrets(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(authority_end);
    let tail = tail.split_once('?').map_or(tail, |(path, _)| path);
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://***@{host}{tail}"),
        None => format!("{scheme}://{authority}{tail}"),
    }
}

fn enumerated(names: &[&str]) -> String {
    match names {
        [one] => format!("{one} is"),
        many => format!("{} are", many.join(" and ")),
    }
}

#[cfg(test)]
mod tests;
