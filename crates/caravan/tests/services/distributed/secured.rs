//! TLS and SASL: everything works on a listener that asks for both, and a refusal is told as one.

use std::process::Command;

use super::site::Site;
use crate::place::{Ran, finished};
use crate::services::{Namespace, service};

/// The name of the setting that is spoiled here.
const PROPERTIES: &str = "CARAVAN_KAFKA_PROPERTIES";

/// A certificate that has signed nothing: whoever trusts it alone trusts no broker.
const OTHER_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----
MIIBeTCCAR+gAwIBAgIUD0RpCdkwcGa+Eemxa4hN36qP+O8wCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGbm9ib2R5MCAXDTI2MTEyNTAzMDEzMFoYDzIxMjYxMTAxMDMw
MTMwWjARMQ8wDQYDVQQDDAZub2JvZHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AASGO/pz/SCqkjj0c9XNrup/bozAAgqWL+54is0r46hAZSsiSBR/juohPnbu3so6
RxrnE66s4gt+21+VyGXhlTgSo1MwUTAdBgNVHQ4EFgQUG2SbojGxlr8cYxiN3u6P
k9BRd/4wHwYDVR0jBBgwFoAUG2SbojGxlr8cYxiN3u6Pk9BRd/4wDwYDVR0TAQH/
BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiAftg9x+Qt2F9hW5EEAykOtbcAeaANo
3pa3D7IUAFmkRAIhAN5In0AN6nOY1sn0pT6hqRgZiirOC3shXfhBisi+Jc2B
-----END CERTIFICATE-----";

/// A site on the listener that asks for a certificate to be trusted and for a password.
fn secured() -> Site {
    let mut namespace = Namespace::new();
    namespace.0.kafka_brokers = service("KAFKA_SECURE_BROKERS");
    let properties = service("KAFKA_SECURE_PROPERTIES");
    let property = |part: &str| part.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    namespace.0.kafka_properties = properties.split(';').filter_map(property).collect();
    Site::on(namespace, 4)
}

/// A value among the properties.
fn value<'a>(site: &'a Site, name: &str) -> &'a str {
    let mut properties = site.namespace.0.kafka_properties.iter();
    properties.find(|(found, _)| found == name).map(|(_, value)| value.as_str()).unwrap()
}

/// Runs a command with one of the properties changed.
fn run_with(site: &Site, name: &str, value: &str, args: &[&str]) -> Ran {
    let properties = site.namespace.0.kafka_properties.iter();
    let spoiled = |(found, had): &(String, String)| format!("{found}={};", if found == name { value } else { had });
    let mut command: Command = site.place.command(args);
    finished(command.env(PROPERTIES, properties.map(spoiled).collect::<String>()))
}

#[test]
fn everything_works_over_tls_with_a_password() {
    let site = secured();
    assert_eq!(value(&site, "security.protocol"), "sasl_ssl");
    let running = site.start();
    site.pay("a", 5, 1);
    site.accounts_for(5, 1);
    drop(running);
    site.pay("b", 5, 1);
    site.place.drain();
    site.accounts_for(10, 2);
}

#[test]
fn a_wrong_password_is_told_as_what_it_is_and_never_shown() {
    const WRONG: &str = "s3cret-but-wr0ng";
    let site = secured();
    for args in [&["groups"][..], &["migrate"], &["run", "--until-idle"]] {
        let refused = run_with(&site, "sasl.password", WRONG, args).failed(1);
        assert!(refused.contains("check sasl.username, sasl.password"), "{args:?}: {refused}");
        assert!(refused.contains("kafka_properties"), "{args:?}: {refused}");
        assert!(!refused.contains("can't be reached"), "{args:?}: {refused}");
        for secret in [WRONG, value(&site, "sasl.password")] {
            assert!(!refused.contains(secret), "{args:?}: a password is shown");
        }
    }
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_told_as_what_it_is() {
    let site = secured();
    site.place.write_lines("other.pem", [OTHER_CERTIFICATE]);
    let other = site.place.path("other.pem");
    let refused = run_with(&site, "ssl.ca.location", &other.display().to_string(), &["groups"]).failed(1);
    assert!(refused.contains("ssl.ca.location") && refused.contains("certificate verify failed"), "{refused}");
}
