//! Options of what runs until it is stopped.

use caravan::workers::WorkerKind;
use clap::Args;

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// Which workers to run [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = clap::value_parser!(WorkerKind))]
    pub(crate) workers: Vec<WorkerKind>,
    /// Serve the API there: HOST:PORT, a port on this machine alone, or off [default: 127.0.0.1:8080; off with --until-idle]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Leave once their lags and the outbox are empty
    #[arg(long)]
    pub(crate) until_idle: bool,
}

#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// How many purchases to make
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) purchases: u32,
    /// How many trainers there are
    #[arg(long, value_name = "M", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) trainers: u32,
    /// The same seed makes the same trainers and payments
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Leave when all is done, instead of running on
    #[arg(long)]
    pub(crate) exit: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// Serve there: HOST:PORT, or a port on this machine alone [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
}
