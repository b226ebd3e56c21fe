//! Services that are killed and come back, under load. They are a set of their own: nobody else's work is disturbed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use caravan::platform::distributed::DistributedOptions;

use super::site::Site;
use crate::place::finished;
use crate::services::Namespace;

/// PostgreSQL, Kafka and Redis that end with the test.
struct Services(PathBuf);

impl Services {
    /// Starts them; the namespace to use there.
    fn start() -> (Self, Namespace) {
        let services = Self(PathBuf::from(format!("/var/tmp/caravan-outages-{}", std::process::id())));
        let exports = services.tell(&["start"]);
        let named = |name: &str| {
            let line = exports.lines().find_map(|line| line.strip_prefix(&format!("export {name}=")));
            line.unwrap_or_else(|| panic!("{name} is not in {exports}")).to_owned()
        };
        let mut namespace = Namespace::new();
        namespace.0 = DistributedOptions {
            postgres_url: named("CARAVAN_POSTGRES_URL"),
            kafka_brokers: named("CARAVAN_KAFKA_BROKERS"),
            redis_url: named("CARAVAN_REDIS_URL"),
            ..namespace.0.clone()
        };
        (services, namespace)
    }

    fn tell(&self, args: &[&str]) -> String {
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/services"));
        for name in ["CARAVAN_POSTGRES_URL", "CARAVAN_KAFKA_BROKERS", "CARAVAN_REDIS_URL"] {
            command.env_remove(name);
        }
        finished(command.env("CARAVAN_SERVICES_DIR", &self.0).args(args)).ok()
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        self.tell(&["stop", "--wipe"]);
    }
}

#[test]
fn each_service_is_killed_under_load_and_comes_back() {
    let (services, namespace) = Services::start();
    let site = Site::on(namespace, 16);
    let instances = [site.start(), site.start()];
    for (number, service) in ["redis", "postgres", "kafka"].into_iter().enumerate() {
        site.pay(&format!("before_{service}"), 60, 1);
        services.tell(&["kill", service]);
        std::thread::sleep(Duration::from_secs(2));
        services.tell(&["up", service]);
        site.pay(&format!("after_{service}"), 20, 1);
        site.accounts_for(80 * (number + 1), 2 * (number + 1));
    }
    for instance in instances {
        let mut instance = instance;
        instance.terminate();
        assert_eq!(instance.ended().0, Some(0), "{}", instance.log());
    }
    drop(site);
    drop(services);
}
