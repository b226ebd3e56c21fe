use super::*;

fn settings_of(text: &str) -> Result<Settings, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("caravan.toml");
    std::fs::write(&file, text).unwrap();
    load(Some(&file), &Overrides::default()).map(|loaded| loaded.settings)
}

#[test]
fn the_defaults_file_sets_every_key_and_passes_its_own_bounds() {
    let layer = Layer::of_toml(DEFAULTS_NAME.to_owned(), DEFAULTS).unwrap();
    let mut known = KEYS.to_vec();
    known.sort_unstable();
    assert_eq!(layer.values.keys().map(String::as_str).collect::<Vec<_>>(), known);
    assert_eq!(settings_of("").unwrap().window_days, caravan_domain::window::WINDOW_DAYS_DEFAULT);
}

#[test]
fn a_wrong_key_or_value_is_named_with_its_place() {
    for (text, expected) in [
        ("partitoins = 3", "unknown key `partitoins` in "),
        ("partitions = 0", "must be a whole number from 1 to 1000, is 0"),
        ("partitions = \"three\"", "must be a whole number, is \"three\""),
        ("partitions = -3", "caravan.toml) must be a whole number, is -3"),
        ("backoff_ms_min = 500\nbackoff_ms_max = 100", "backoff_ms_min ("),
        ("cron = \"0 25 * * *\"", "cron ("),
        ("namespace = \"Prod\"", "lower-case letters, digits and hyphens"),
        ("namespace = \"caravan\"", "and not \"caravan\""),
        ("log_format = \"xml\"", "log_format ("),
        ("otlp_endpoint = \"localhost:4318\"", "must be http://HOST:PORT of an OpenTelemetry collector"),
        ("partitions = ", "caravan.toml: "),
    ] {
        let error = settings_of(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn services_come_all_three_or_none() {
    let error = settings_of("redis_url = \"redis://localhost\"").unwrap_err().to_string();
    assert!(error.starts_with("--redis is set, but --postgres and --kafka are not"), "{error}");
    let all = "postgres_url = \"postgres://h/d\"\nkafka_brokers = \"h:9092\"\nredis_url = \"redis://h\"";
    assert!(settings_of(all).unwrap().names_services());
    assert!(!settings_of("").unwrap().names_services());
}

#[test]
fn a_batch_is_as_large_as_suits_the_topology_unless_it_is_set() {
    let services = "postgres_url = \"postgres://h/d\"\nkafka_brokers = \"h:9092\"\nredis_url = \"redis://h\"\n";
    for (text, records) in [
        (String::new(), BATCH_RECORDS_EMBEDDED),
        (services.to_owned(), BATCH_RECORDS_DISTRIBUTED),
        (format!("{services}batch_records_max = 7"), 7),
        ("batch_records_max = 7".to_owned(), 7),
    ] {
        assert_eq!(settings_of(&text).unwrap().policy(0).batch.records_max, records, "{text}");
    }
}

#[test]
fn an_option_outranks_the_file_and_the_file_the_default() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("c.toml");
    std::fs::write(&file, "data = \"/from/file\"\nwindow_days = 7").unwrap();
    let options = Overrides { data: Some("/from/option".into()), ..Overrides::default() };
    let loaded = load(Some(&file), &options).unwrap();
    assert_eq!(loaded.settings.data, Path::new("/from/option"));
    assert_eq!((loaded.settings.window_days, loaded.settings.lead_days), (7, 1));
    assert_eq!(loaded.origin("data"), "command line");
    assert_eq!(loaded.origin("window_days"), file.display().to_string());
    assert!(loaded.is_default("lead_days"));
}

#[test]
fn properties_are_name_and_value_and_their_values_are_never_shown() {
    let settings = settings_of("kafka_properties = \"security.protocol=ssl; sasl.password = a=b;\"").unwrap();
    let expected = [("security.protocol", "ssl"), ("sasl.password", "a=b")];
    assert_eq!(settings.kafka_properties(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(settings.shown("kafka_properties"), "security.protocol=***; sasl.password=***");
    let error = settings_of("kafka_properties = \"s3cret\"").unwrap_err().to_string();
    assert!(error.contains("must be name=value") && !error.contains("s3cret"), "{error}");
}

#[test]
fn secrets_are_never_shown() {
    for (url, shown) in [
        ("postgres://caravan:s3cret@db:5432/caravan?password=s3cret", "postgres://***@db:5432/caravan"),
        ("redis://:p@ss@cache:6379/0", "redis://***@cache:6379/0"),
        ("redis://cache:6379", "redis://cache:6379"),
        ("broker-1:9092,broker-2:9092", "broker-1:9092,broker-2:9092"),
    ] {
        assert_eq!(without_secrets(url), shown);
    }
}
