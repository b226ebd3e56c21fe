//! `caravan bench`: how fast, how soon, how much memory and disk, in a throwaway namespace.

use caravan::app::{self, App};
use caravan::bench::{self, Ground, Measured, Options, STEADY_SECONDS_DEFAULT};
use caravan::config::Settings;
use caravan::workers::WorkerKind;
use uuid::Uuid;

use super::args::BenchArgs;
use super::failure::Failure;
use super::output::Output;
use super::progress::Steps;
use super::remark;

/// What the namespaces' names begin with.
const PREFIX: &str = "bench-";
/// What the name of the floor's namespace adds to the run's.
const FLOOR_SUFFIX: &str = "-floor";
/// Characters between them.
const RANDOM_CHARS: usize = 6;

pub(crate) async fn run(settings: &Settings, args: BenchArgs, output: &mut Output) -> Result<(), Failure> {
    if settings.namespace().is_some() {
        remark("the bench uses a throwaway namespace; the one that is set is left alone");
    }
    app::remove_namespaces(settings, is_bench).await?;
    let mut random = Uuid::new_v4().simple().to_string();
    random.truncate(RANDOM_CHARS);
    let namespace = format!("{PREFIX}{random}");
    let measured = measure(settings, &namespace, args).await;
    app::remove_namespaces(settings, |name| name.strip_suffix(FLOOR_SUFFIX).unwrap_or(name) == namespace).await?;
    let measured = measured?;
    if args.json {
        return output.line(measured.json_line());
    }
    measured.text_lines().iter().try_for_each(|line| output.line(line))
}

fn is_bench(name: &str) -> bool {
    let random = name.strip_prefix(PREFIX).map(|rest| rest.strip_suffix(FLOOR_SUFFIX).unwrap_or(rest));
    random.is_some_and(|random| random.len() == RANDOM_CHARS && random.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

async fn measure(settings: &Settings, namespace: &str, args: BenchArgs) -> Result<Measured, Failure> {
    let of = |namespace: String| Settings { namespace, ..settings.clone() };
    let (run, empty) = (of(namespace.to_owned()), of(format!("{namespace}{FLOOR_SUFFIX}")));
    // Both are held, so that another bench leaves them alone.
    let _claims =
        (app::claim_workers(&run, &WorkerKind::ALL).await?, app::claim_workers(&empty, &WorkerKind::ALL).await?);
    let (app, floor_app) = (App::open(&run).await?, App::open(&empty).await?);
    let mut floor = app.floor(&floor_app).await?;
    let BenchArgs { purchases, trainers, sessions, history, seed, .. } = args;
    let options = Options { purchases, trainers, sessions, history, seed, steady_seconds: STEADY_SECONDS_DEFAULT };
    let policy = settings.policy(seed);
    let ground =
        Ground { platform: &app.platform, topology: app.topology_name(), policy: &policy, floor: floor.as_mut() };
    let steps = Steps::default();
    let measured = bench::run(ground, options, &steps).await;
    steps.clear();
    measured.map_err(|error| Failure::work(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_bench_has_left_is_removed() {
        for (name, left) in [
            ("bench-01ab9f", true),
            ("bench-01ab9f-floor", true),
            ("bench-01ab9", false),
            ("bench-production", false),
            ("demo-01ab9f", false),
            ("caravan", false),
        ] {
            assert_eq!(is_bench(name), left, "{name}");
        }
    }
}
