//! What can be asked for on the command line.

use std::path::PathBuf;

use caravan::config::{LogFormat, Overrides};
use caravan_domain::event::Topic;
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::civil::Date;
use uuid::Uuid;

mod access;
mod fulfilment;
mod purchases;
mod refunds;
mod running;
mod sessions;
mod time_data;

pub(crate) use access::{CalendarsCommand, RevokeArgs, TokenCreateArgs, TokensCommand, WhoseCalendarArgs};
pub(crate) use fulfilment::{ReconcileArgs, StuckArgs};
pub(crate) use purchases::{
    AdoptArgs, ConfirmArgs, PurchaseAllocateArgs, PurchaseAmendArgs, PurchaseCancelArgs, PurchaseReassignArgs,
    PurchaseShowArgs, PurchasesCommand, PurchasesListArgs, RestArgs,
};
pub(crate) use refunds::{RefundSettleArgs, RefundsCommand, RefundsListArgs};
pub(crate) use running::{DemoArgs, RunArgs, ServeArgs};
pub(crate) use sessions::{
    ExtendArgs, SessionCancelArgs, SessionMarkArgs, SessionMoveArgs, SessionsCommand, SessionsListArgs,
};
pub(crate) use time_data::{TimeDataApplyArgs, TimeDataCommand};

/// Payments in, lessons in calendars out.
#[derive(Debug, Parser)]
#[command(
    name = "caravan",
    version,
    long_version = version_with_time_data(),
    about = "Payments in, lessons in calendars out.",
    long_about = "Caravan takes what happens after a customer has paid: it records the purchase, finds a trainer whose \
                  calendar fits the whole plan, puts the sessions in the calendar, and can prove each step.",
    after_help = "Examples:\n  \
        caravan demo                                  see all of it happen, in a throwaway namespace\n  \
        caravan run                                   run all workers on ./caravan-data\n  \
        caravan trainers import roster.csv            tell it who teaches what, when\n  \
        caravan purchases confirm payments.jsonl      hand it confirmed payments\n  \
        caravan sessions list --from 2026-12-01       read the calendar\n  \
        caravan dead-letters list                     see what was set aside, and why\n\n\
        Exit status: 0 done, 1 the work failed, 2 wrong usage.",
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 110
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The version, and that of the time zone data in the program.
fn version_with_time_data() -> &'static str {
    static TOLD: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        format!("{}\ntime zone data {}", env!("CARGO_PKG_VERSION"), caravan::time_data::bundled())
    });
    &TOLD
}

/// Options of every command.
#[derive(Args, Debug)]
pub(crate) struct GlobalArgs {
    /// Directory that holds everything (embedded topology) [env: CARAVAN_DATA] [default: caravan-data]
    #[arg(long, value_name = "DIR", global = true, help_heading = "Where")]
    data: Option<PathBuf>,
    /// Keeps several installations apart [env: CARAVAN_NAMESPACE]
    #[arg(long, value_name = "NAME", global = true, help_heading = "Where")]
    namespace: Option<String>,
    /// Settings file [env: CARAVAN_CONFIG] [default: caravan.toml, if it is there]
    #[arg(long, value_name = "FILE", global = true, help_heading = "Where")]
    config: Option<PathBuf>,
    /// PostgreSQL of the distributed topology [env: CARAVAN_POSTGRES_URL]
    #[arg(long, value_name = "URL", global = true, help_heading = "Where")]
    postgres: Option<String>,
    /// Kafka brokers of the distributed topology [env: CARAVAN_KAFKA_BROKERS]
    #[arg(long, value_name = "BROKERS", global = true, help_heading = "Where")]
    kafka: Option<String>,
    /// Redis of the distributed topology [env: CARAVAN_REDIS_URL]
    #[arg(long, value_name = "URL", global = true, help_heading = "Where")]
    redis: Option<String>,
    /// How log lines are written to standard error [env: CARAVAN_LOG_FORMAT] [default: auto]
    #[arg(long, value_name = "FORMAT", global = true, help_heading = "Where")]
    log_format: Option<LogFormatArg>,
}

impl GlobalArgs {
    /// The settings file to read, if one is named.
    pub(crate) fn config_file(&self) -> Option<PathBuf> {
        let from_environment = || std::env::var_os(caravan::config::ENV_FILE).filter(|value| !value.is_empty());
        self.config.clone().or_else(|| from_environment().map(PathBuf::from))
    }

    /// What of the settings is given on the command line.
    fn overrides(&self) -> Overrides {
        Overrides {
            data: self.data.clone(),
            namespace: self.namespace.clone(),
            postgres_url: self.postgres.clone(),
            kafka_brokers: self.kafka.clone(),
            redis_url: self.redis.clone(),
            log_format: self.log_format.map(LogFormat::from),
            listen: None,
        }
    }
}

impl Cli {
    /// What the command line sets.
    pub(crate) fn overrides(&self) -> Overrides {
        let listen = match &self.command {
            Command::Run(args) => args.listen.clone(),
            Command::Serve(args) => args.listen.clone(),
            _ => None,
        };
        Overrides { listen, ..self.global.overrides() }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormatArg {
    /// As pretty on a terminal, as json otherwise
    Auto,
    /// One readable line each
    Pretty,
    /// One JSON object each
    Json,
}

impl From<LogFormatArg> for LogFormat {
    fn from(format: LogFormatArg) -> Self {
        match format {
            LogFormatArg::Auto => Self::Auto,
            LogFormatArg::Pretty => Self::Pretty,
            LogFormatArg::Json => Self::Json,
        }
    }
}

/// How a list is written, and how much of it.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct ListArgs {
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    /// At most this many rows [default: all]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run workers until stopped
    #[command(after_help = "Examples:\n  \
        caravan run                                   all workers in one process\n  \
        caravan run --workers purchase,allocation     only these\n  \
        caravan run --until-idle                      leave once everything is handled\n  \
        caravan run --listen 0.0.0.0:8080             the API where others can reach it; off for nowhere\n\n\
        SIGTERM or SIGINT finish the batch in hand and leave; a second one stops at once. Nothing is lost either way.")]
    Run(RunArgs),
    /// Serve the HTTP API, beside workers that run elsewhere
    #[command(after_help = "Examples:\n  \
        caravan serve\n  \
        caravan serve --listen 0.0.0.0:8080\n\n\
        caravan run serves the same. What is asked for is described at /docs; docs/connect.md begins at the beginning.")]
    Serve(ServeArgs),
    /// API tokens: who may come in over HTTP
    #[command(subcommand)]
    Tokens(TokensCommand),
    /// Addresses of calendars, for trainers and students to subscribe to
    #[command(subcommand)]
    Calendars(CalendarsCommand),
    /// Watch payments become lessons, in a throwaway namespace
    #[command(after_help = "Examples:\n  \
        caravan demo\n  \
        caravan demo --purchases 5000 --trainers 200 --seed 7 --exit")]
    Demo(DemoArgs),
    /// Create the database and the topics, or bring them up to this version
    #[command(after_help = "Examples:\n  caravan migrate\n  caravan --data /var/lib/caravan migrate")]
    Migrate(MigrateArgs),
    /// The topics of the log
    #[command(subcommand)]
    Topics(TopicsCommand),
    /// Who teaches what, when
    #[command(subcommand)]
    Trainers(TrainersCommand),
    /// Company-wide days without lessons
    #[command(subcommand)]
    Closures(ClosuresCommand),
    /// Confirmed payments and what became of them
    #[command(subcommand)]
    Purchases(PurchasesCommand),
    /// What the payment side has given back, and what people decide about it
    #[command(subcommand)]
    Refunds(RefundsCommand),
    /// The calendar
    #[command(subcommand)]
    Sessions(SessionsCommand),
    /// Time zone data: which version plans were laid out with, what this program's would move, and moving it
    #[command(subcommand)]
    TimeData(TimeDataCommand),
    /// Consumer groups: how far each is, and moving one by hand
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "Examples:\n  \
            caravan groups\n  \
            caravan groups --json\n  \
            caravan groups replay purchase-creation-workers --topic purchase-confirmed --to earliest"
    )]
    Groups(GroupsArgs),
    /// Records that were set aside: why, and sending them again
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// List what is paid and not fulfilled, oldest first: why, and what to do
    #[command(after_help = "Examples:\n  \
        caravan stuck\n  \
        caravan stuck --older-than 1h --limit 20\n  \
        caravan stuck --json\n\n\
        What should take seconds counts once it is older than DURATION; who waits for a trainer, and payments whose \
        confirmation was set aside, count at any age.")]
    Stuck(StuckArgs),
    /// Compare the shop's list of payments with what is recorded
    #[command(after_help = "Examples:\n  \
        caravan reconcile payments.csv                with a header: payment_id[,item][,amount_minor][,currency]\n  \
        payments-export | caravan reconcile - --json\n\n\
        JSON lines have the same fields; a list can also be just a payment id a line. Other columns are ignored. Exit \
        status 1 if a payment is missing, set aside or differs in amount or currency, 2 if the list can't be read.")]
    Reconcile(ReconcileArgs),
    /// Check the guarantees against the data
    #[command(after_help = "Examples:\n  \
        caravan audit\n  \
        caravan audit --json\n\n\
        Exit status 1, and the offending ids, if a guarantee is broken. It reads one snapshot, so it can run any time.")]
    Audit(AuditArgs),
    /// Copy the database to a file, while everything runs
    #[command(after_help = "Examples:\n  \
        caravan backup /backups/caravan-2026-11-23.db\n\n\
        The copy is a whole database: to restore, put it as caravan.db into an empty data directory.")]
    Backup(BackupArgs),
    /// Check the settings, the directory and the database
    #[command(after_help = "Examples:\n  caravan doctor\n  caravan --data /var/lib/caravan doctor --json")]
    Doctor(DoctorArgs),
    /// Measure throughput, latency, memory and disk, in a throwaway namespace
    #[command(after_help = "Examples:\n  \
        caravan bench\n  \
        caravan bench --purchases 2000 --trainers 100 --json\n  \
        caravan bench --history 200000                with ten times as many plans that are over\n\n\
        The same rows are also written bare, without any rule: the share of that speed is what stays comparable \
        between machines.")]
    Bench(BenchArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum TopicsCommand {
    /// Create the topics that are missing
    #[command(after_help = "Examples:\n  caravan topics create\n  CARAVAN_PARTITIONS=6 caravan topics create")]
    Create,
    /// List topics with their partitions
    #[command(after_help = "Examples:\n  caravan topics list\n  caravan topics list --json")]
    List(ListArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum TrainersCommand {
    /// Take over a roster: JSON lines or CSV, all of it or nothing
    #[command(after_help = "Examples:\n  \
        caravan trainers import roster.csv\n  \
        caravan trainers import changes.jsonl\n\n\
        A line updates the trainer with its trainer_id, or adds one. A field that is absent stays as it is, an empty \
        one is cleared; trainers that are not named stay as they are.")]
    Import(ImportArgs),
    /// List trainers
    #[command(after_help = "Examples:\n  caravan trainers list\n  caravan trainers list --json > roster.jsonl")]
    List(ListArgs),
    /// Note that a trainer is away, and find a way for each session that falls into it
    #[command(after_help = "Examples:\n  \
        caravan trainers leave trn_7 --from 2026-12-07 --until 2026-12-11 --plan\n  \
        caravan trainers leave trn_7 --from 2026-12-07 --until 2026-12-11 --reason 'flu'\n  \
        caravan trainers leave trn_7 --from 2027-02-01 --reason 'leaves the company'\n\n\
        For each session somebody else who can teach it stands in; else it moves within its week to a time that the student \
        offered; else another one is added at the end of the plan; else it is left to a person and listed as a conflict. \
        --plan shows what would be done and changes nothing. Doing it again does what is left.")]
    Leave(LeaveArgs),
}

#[derive(Args, Debug)]
pub(crate) struct LeaveArgs {
    /// The trainer's id
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// The first day, in the trainer's zone
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) from: Date,
    /// The last day; for good without it
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) until: Option<Date>,
    /// Show what would be done, and change nothing
    #[arg(long)]
    pub(crate) plan: bool,
    /// Why, for those who read it later
    #[arg(long, value_name = "TEXT", required_unless_present = "plan")]
    pub(crate) reason: Option<String>,
    /// Who decides [default: the user who runs this]
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClosuresCommand {
    /// Take over closures: JSON lines or CSV, all of it or nothing
    #[command(after_help = "Examples:\n  \
        caravan closures import closures.csv               add these\n  \
        caravan closures import closures.csv --replace     these and no others")]
    Import(ClosuresImportArgs),
    /// List closures
    #[command(after_help = "Examples:\n  caravan closures list\n  caravan closures list --json")]
    List(ListArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// A .csv file with a header line, or JSON lines; - for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct ClosuresImportArgs {
    #[command(flatten)]
    pub(crate) import: ImportArgs,
    /// Forget closures that the file doesn't name
    #[arg(long)]
    pub(crate) replace: bool,
}

#[derive(Args, Debug)]
pub(crate) struct GroupsArgs {
    #[command(flatten)]
    pub(crate) list: ListArgs,
    #[command(subcommand)]
    pub(crate) action: Option<GroupsCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GroupsCommand {
    /// Move a group's positions by hand: to read again, to skip, or to settle a lost position
    #[command(after_help = "Examples:\n  \
        caravan groups replay purchase-creation-workers --topic purchase-confirmed --to earliest\n  \
        caravan groups replay session-scheduling-workers --topic trainer-allocated --partition 2 --to 1500\n\n\
        Reading again changes nothing that has happened: what was done is recognised and counted as a duplicate. \
        Stop the workers first.")]
    Replay(ReplayArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ReplayArgs {
    /// The consumer group
    #[arg(value_name = "GROUP")]
    pub(crate) group: String,
    /// The topic
    #[arg(long, value_name = "TOPIC")]
    pub(crate) topic: Topic,
    /// Only this partition [default: all]
    #[arg(long, value_name = "P")]
    pub(crate) partition: Option<u32>,
    /// Where to: earliest, latest or an offset
    #[arg(long, value_name = "OFFSET")]
    pub(crate) to: ReplayTo,
}

/// Where a replay goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplayTo {
    /// The first record still there.
    Earliest,
    /// Past the last record.
    Latest,
    /// The record with this offset.
    Offset(u64),
}

impl std::str::FromStr for ReplayTo {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            number => {
                number.parse().map(Self::Offset).map_err(|_| "must be earliest, latest or an offset such as 1500")
            }
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// List records that were set aside
    #[command(after_help = "Examples:\n  \
        caravan dead-letters list\n  \
        caravan dead-letters list --reason invalid-field --waiting --json")]
    List(DeadLettersListArgs),
    /// Show one of them whole
    #[command(after_help = "Examples:\n  caravan dead-letters show 17\n  caravan dead-letters show 17 --json")]
    Show(DeadLetterShowArgs),
    /// Send records again, as they were or repaired
    #[command(after_help = "Examples:\n  \
        caravan dead-letters redrive --reason unknown-purchase --dry-run\n  \
        caravan dead-letters redrive 17 18\n  \
        caravan dead-letters redrive 17 --value repaired.json\n\n\
        The original is kept beside what was sent. A record that was sent again before is left alone.")]
    Redrive(RedriveArgs),
}

#[derive(Args, Debug)]
pub(crate) struct DeadLettersListArgs {
    #[command(flatten)]
    pub(crate) list: ListArgs,
    /// Only those with this reason, such as invalid-field
    #[arg(long, value_name = "CODE")]
    pub(crate) reason: Option<String>,
    /// Only those that were not sent again yet
    #[arg(long)]
    pub(crate) waiting: bool,
}

#[derive(Args, Debug)]
pub(crate) struct DeadLetterShowArgs {
    /// Its id
    #[arg(value_name = "ID")]
    pub(crate) id: i64,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct RedriveArgs {
    #[command(flatten)]
    pub(crate) which: RedriveWhich,
    /// Say what would happen, and send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Send the bytes of this file instead; with exactly one ID
    #[arg(long, value_name = "FILE", conflicts_with_all = ["all", "reason"])]
    pub(crate) value: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct RedriveWhich {
    /// These
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<i64>,
    /// All that were not sent again yet
    #[arg(long)]
    pub(crate) all: bool,
    /// All with this reason that were not sent again yet
    #[arg(long, value_name = "CODE")]
    pub(crate) reason: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct AuditArgs {
    /// One JSON object a line: each guarantee, then conflicts
    #[arg(long)]
    pub(crate) json: bool,
    /// Name at most this many offenders of each guarantee [default: 20]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct MigrateArgs {
    /// The database's files were put back from a copy: tell what is decided again under new event ids
    #[arg(long)]
    pub(crate) restored: bool,
}

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct BenchArgs {
    /// How many purchases to run through
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) purchases: u32,
    /// How many trainers there are
    #[arg(long, value_name = "M", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) trainers: u32,
    /// How many sessions each plan has
    #[arg(long, value_name = "S", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(crate) sessions: u16,
    /// How many purchases have happened, and are over, before
    #[arg(long, value_name = "H", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub(crate) history: u32,
    /// The same seed makes the same trainers and payments
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub(crate) seed: u64,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct BackupArgs {
    /// The file to write; it must not be there yet
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// The purchase that an id given by a person means: its own, or the one of a payment.
pub(crate) fn purchase_id(text: &str) -> Uuid {
    Uuid::try_parse(text).unwrap_or_else(|_| caravan_domain::ids::purchase_id(text, None))
}

fn date(text: &str) -> Result<Date, &'static str> {
    const SHAPE: &str = "must be a date YYYY-MM-DD";
    if text.len() != "YYYY-MM-DD".len() { Err(SHAPE) } else { text.parse().map_err(|_| SHAPE) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples() {
        fn check(command: &clap::Command) {
            let has_children = command.get_subcommands().next().is_some();
            let examples = command.get_after_help().is_some_and(|help| help.to_string().starts_with("Examples:"));
            assert!(has_children || examples, "{} --help shows no examples", command.get_name());
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn dates_are_dates_and_nothing_more() {
        assert!(date("2026-12-01").is_ok());
        for wrong in ["2026-12-1", "2026-13-01", "2026-12-01T10:00", "today", ""] {
            assert!(date(wrong).is_err(), "{wrong}");
        }
    }
}
