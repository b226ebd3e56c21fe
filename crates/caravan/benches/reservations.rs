//! What refusing a second reservation of a trainer's time costs on PostgreSQL: as Caravan does it, and as else it could be
//! done, each against writing the same rows unguarded.
//!
//!     cargo bench -p caravan --bench reservations [-- --purchases N]
//!
//! All ways write the same purchases, a batch each in turn, on one connection and with one transaction a batch. A trainer's
//! time only: Caravan reserves the student's in the same statement.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use caravan::platform::distributed::postgres::RESERVE;
use caravan_domain::allocation::reserved_time;
use caravan_domain::plan::{Occurrence, Schedule, Slot, TimeOfDay, Weekday, zone_named};
use jiff::SignedDuration;
use jiff::civil::date;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use uuid::Uuid;

/// The tables as Caravan makes them.
const SCHEMA: &str = include_str!("../src/platform/distributed/postgres/migrations/0001_caravan.sql");
const PURCHASES_DEFAULT: usize = 10_000;
/// Every trainer has room for one in each hour from 8 to 20, seven days a week.
const PURCHASES_MAX: usize = TRAINERS.1 * 84;
const TRAINERS: (usize, usize) = (200, 1_000);
const BATCH: usize = 500;
const SESSIONS: u16 = 24;

type Failed = Box<dyn std::error::Error>;

/// What keeps a trainer's time from being taken twice.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guard {
    Nothing,
    BusyBits,
    UniqueStart,
    LockAndLook,
    Exclusion,
}

/// A way to write purchases.
struct Way {
    guard: Guard,
    name: &'static str,
    /// Its table of sessions.
    table: &'static str,
    /// What that table has beside the primary key and the index by start, which all have.
    also: &'static [&'static str],
    /// Whether it refuses time that overlaps what is taken without starting with it.
    refuses: bool,
}

const WAYS: [Way; 5] = [
    Way { guard: Guard::Nothing, name: "rows alone", table: "alone", also: &[], refuses: false },
    Way { guard: Guard::BusyBits, name: "busy bits, as Caravan does", table: "bits", also: &[], refuses: true },
    Way {
        guard: Guard::UniqueStart,
        name: "UNIQUE (trainer, starts_at)",
        table: "uniquely",
        also: &["ALTER TABLE uniquely ADD UNIQUE (trainer_id, starts_at)"],
        refuses: false,
    },
    Way {
        guard: Guard::LockAndLook,
        name: "lock the trainer, look for overlaps",
        table: "looked",
        also: &["CREATE INDEX ON looked (trainer_id, starts_at)", "CREATE TABLE locks (trainer_id text PRIMARY KEY)"],
        refuses: true,
    },
    Way {
        guard: Guard::Exclusion,
        name: "EXCLUDE USING gist",
        table: "excluded",
        also: &[
            "ALTER TABLE excluded ADD EXCLUDE USING gist (trainer_id WITH =, tstzrange(starts_at, ends_at) WITH &&)",
        ],
        refuses: true,
    },
];

/// Sessions of some purchases.
#[derive(Default)]
struct Batch {
    seq: Vec<i64>,
    ids: Vec<Uuid>,
    purchases: Vec<Uuid>,
    trainers: Vec<String>,
    sessions: Vec<Occurrence>,
}

impl Batch {
    /// Purchase by purchase: no two of a trainer's are at the same weekly time. `later` is by how much all are shifted.
    fn of(numbers: std::ops::Range<usize>, trainers: usize, later: SignedDuration) -> Result<Self, Failed> {
        let mut batch = Self::default();
        for number in numbers {
            let purchase = Uuid::new_v4();
            for session in plan(number / trainers)?.occurrences() {
                let shifted = |at: jiff::Timestamp| at.checked_add(later);
                let (starts_at, ends_at) = (shifted(session.starts_at)?, shifted(session.ends_at)?);
                batch.seq.push((number as i64) << 16 | i64::from(session.ordinal));
                batch.ids.push(Uuid::new_v4());
                batch.purchases.push(purchase);
                batch.trainers.push(format!("trn_{:04}", number % trainers));
                batch.sessions.push(Occurrence { starts_at, ends_at, ..session });
            }
        }
        Ok(batch)
    }

    fn column<T>(&self, value: impl Fn(&Occurrence) -> T) -> Vec<T> {
        self.sessions.iter().map(value).collect()
    }

    fn starts(&self) -> Vec<String> {
        self.column(|session| session.starts_at.to_string())
    }

    fn ends(&self) -> Vec<String> {
        self.column(|session| session.ends_at.to_string())
    }
}

/// A lesson a week, at a trainer's so many-th weekly time; the clocks change in the middle.
fn plan(turn: usize) -> Result<Schedule, Failed> {
    let at = TimeOfDay::from_minutes((8 + turn / 7) as u16 * 60).ok_or("too many purchases for a trainer")?;
    Ok(Schedule {
        zone: zone_named("Europe/London").ok_or("the zone is there")?,
        start_date: date(2027, 1, 4),
        slots: vec![Slot { weekday: Weekday::ALL[turn % 7], at }],
        first_ordinal: 1,
        sessions: SESSIONS,
        minutes: 60,
        skipped: BTreeSet::new(),
    })
}

/// Writes a batch in one transaction; whether it was let in.
async fn write(connection: &mut PgConnection, way: &Way, batch: &Batch) -> Result<bool, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let is_free = match insert(&mut transaction, way.table, batch).await {
        // Of UNIQUE and of EXCLUDE.
        Err(sqlx::Error::Database(error)) if matches!(error.code().as_deref(), Some("23505" | "23P01")) => false,
        inserted => {
            inserted?;
            match way.guard {
                Guard::BusyBits => reserve(&mut transaction, batch).await?,
                Guard::LockAndLook => look(&mut transaction, batch).await?,
                Guard::Nothing | Guard::UniqueStart | Guard::Exclusion => true,
            }
        }
    };
    if is_free {
        transaction.commit().await?
    } else {
        transaction.rollback().await?
    }
    Ok(is_free)
}

async fn insert(connection: &mut PgConnection, table: &str, batch: &Batch) -> Result<(), sqlx::Error> {
    let sql = format!(
        "INSERT INTO {table} (seq, id, purchase_id, trainer_id, ordinal, local_date, starts_at, ends_at)
         SELECT seq, id, purchase_id, trainer_id, ordinal, local_date::date, starts_at::timestamptz, ends_at::timestamptz
         FROM UNNEST($1::bigint[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[])
              AS v (seq, id, purchase_id, trainer_id, ordinal, local_date, starts_at, ends_at)"
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(&batch.seq).bind(&batch.ids).bind(&batch.purchases);
    let query = query
        .bind(&batch.trainers)
        .bind(batch.column(|session| i64::from(session.ordinal)))
        .bind(batch.column(|session| session.local_date.to_string()))
        .bind(batch.starts())
        .bind(batch.ends());
    query.execute(connection).await.map(|_| ())
}

async fn reserve(connection: &mut PgConnection, batch: &Batch) -> Result<bool, sqlx::Error> {
    let mut of_trainers: BTreeMap<&str, Vec<Occurrence>> = BTreeMap::new();
    for (trainer, session) in batch.trainers.iter().zip(&batch.sessions) {
        of_trainers.entry(trainer).or_default().push(*session);
    }
    let rows: Vec<_> = of_trainers
        .into_iter()
        .flat_map(|(trainer, sessions)| reserved_time(sessions).into_iter().map(move |time| (trainer, time)))
        .collect();
    let query = sqlx::query(RESERVE)
        .bind(rows.iter().map(|(trainer, _)| format!("trainer:{trainer}")).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, time)| time.key).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, time)| time.busy.cast_signed()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, time)| time.starts.cast_signed()).collect::<Vec<_>>());
    Ok(query.execute(connection).await?.rows_affected() == rows.len() as u64)
}

/// No session is longer than the four hours that the index is asked for.
async fn look(connection: &mut PgConnection, batch: &Batch) -> Result<bool, sqlx::Error> {
    const LOCK: &str = "SELECT FROM locks WHERE trainer_id = ANY($1) ORDER BY trainer_id FOR UPDATE";
    const LOOK: &str = "
        SELECT NOT EXISTS (
            SELECT FROM UNNEST($1::bigint[], $2::text[], $3::text[], $4::text[]) AS n (seq, trainer_id, starts_at, ends_at)
            CROSS JOIN LATERAL (
                SELECT FROM looked s WHERE s.trainer_id = n.trainer_id AND s.seq <> n.seq
                AND s.starts_at > n.starts_at::timestamptz - interval '4 hours' AND s.starts_at < n.ends_at::timestamptz
                AND s.ends_at > n.starts_at::timestamptz LIMIT 1) AS taken)";
    sqlx::query(LOCK).bind(&batch.trainers).execute(&mut *connection).await?;
    let query = sqlx::query_scalar(LOOK).bind(&batch.seq).bind(&batch.trainers).bind(batch.starts());
    query.bind(batch.ends()).fetch_one(connection).await
}

/// Makes the tables; the ways that can be gone here.
async fn prepare(connection: &mut PgConnection, schema: &str, trainers: usize) -> Result<Vec<&'static Way>, Failed> {
    let run =
        async |connection: &mut PgConnection, sql: String| sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await;
    run(connection, format!("CREATE SCHEMA {schema}; SET search_path = {schema}")).await?;
    run(connection, SCHEMA.to_owned()).await?;
    let mut ways: Vec<&Way> = WAYS.iter().collect();
    if let Err(problem) = run(connection, "CREATE EXTENSION IF NOT EXISTS btree_gist".to_owned()).await {
        ways.retain(|way| way.guard != Guard::Exclusion);
        println!("EXCLUDE is left out, this server does not give btree_gist: {problem}");
    }
    for way in &ways {
        let table = way.table;
        run(connection, format!("CREATE TABLE {table} (LIKE sessions INCLUDING ALL) WITH (fillfactor = 90)")).await?;
        for sql in way.also {
            run(connection, (*sql).to_owned()).await?;
        }
    }
    let sql = "INSERT INTO locks SELECT 'trn_' || lpad(n::text, 4, '0') FROM generate_series(0, $1 - 1) AS n";
    sqlx::query(sql).bind(trainers as i32).execute(connection).await?;
    Ok(ways)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) { f64::midpoint(values[middle - 1], values[middle]) } else { values[middle] }
}

async fn measure(connection: &mut PgConnection, schema: &str, purchases: usize) -> Result<(), Failed> {
    let trainers = (purchases / 10).clamp(TRAINERS.0, TRAINERS.1);
    let ways = prepare(connection, schema, trainers).await?;
    let mut rounds: Vec<Vec<f64>> = Vec::new();
    for first in (0..purchases).step_by(BATCH) {
        let batch = Batch::of(first..first + BATCH, trainers, SignedDuration::ZERO)?;
        let mut round = Vec::new();
        for way in &ways {
            let begun = Instant::now();
            if !write(connection, way, &batch).await? {
                return Err(format!("{}: refuses time that is free", way.name).into());
            }
            round.push(begun.elapsed().as_secs_f64());
        }
        rounds.push(round);
    }
    let version: String = sqlx::query_scalar("SHOW server_version").fetch_one(&mut *connection).await?;
    println!(
        "PostgreSQL {version}: {purchases} purchases of {SESSIONS} sessions for {trainers} trainers, {BATCH} a transaction, \
         medians of {} rounds\n\n{:<38}{:>11}{:>14}  a shifted overlap",
        rounds.len(),
        "",
        "purchases/s",
        "of the floor"
    );
    // The first purchase's trainer and plan, half an hour later.
    let mut shifted = Batch::of(0..1, trainers, SignedDuration::from_mins(30))?;
    shifted.seq.iter_mut().for_each(|seq| *seq += (purchases as i64) << 16);
    for (place, way) in ways.iter().enumerate() {
        let speed = BATCH as f64 / median(rounds.iter().map(|round| round[place]).collect());
        let ratio = median(rounds.iter().map(|round| round[0] / round[place]).collect());
        let refuses = !write(connection, way, &shifted).await?;
        let told = if refuses { "is refused" } else { "is let in" };
        println!("{:<38}{speed:>11.0}{ratio:>14.3}  {told}", way.name);
        if refuses != way.refuses {
            return Err(format!("{}: a shifted overlap {told}", way.name).into());
        }
    }
    Ok(())
}

/// The schema goes whatever came of it.
async fn bench() -> Result<(), Failed> {
    let purchases = purchases()?;
    let url = std::env::var("CARAVAN_POSTGRES_URL")
        .map_err(|_| "CARAVAN_POSTGRES_URL names no PostgreSQL: eval \"$(scripts/services start)\"")?;
    let options = url.parse::<PgConnectOptions>()?.disable_statement_logging();
    // As every connection of Caravan's.
    let options = options.options([("timezone", "UTC"), ("plan_cache_mode", "force_custom_plan"), ("jit", "off")]);
    let schema = format!("bench_{}", Uuid::new_v4().simple());
    let mut connection = options.connect().await?;
    let measured = tokio::select! {
        measured = measure(&mut connection, &schema, purchases) => measured,
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
    };
    drop(connection);
    let drop = format!("DROP SCHEMA IF EXISTS {schema} CASCADE");
    sqlx::query(AssertSqlSafe(drop)).execute(&mut options.connect().await?).await?;
    measured
}

/// As many as are asked for, in whole batches.
fn purchases() -> Result<usize, Failed> {
    let mut args = std::env::args().skip_while(|arg| arg != "--purchases").skip(1);
    let asked = args.next().map_or(Ok(PURCHASES_DEFAULT), |count| count.parse())?;
    let whole = asked.max(1).next_multiple_of(BATCH);
    if whole > PURCHASES_MAX { Err(format!("--purchases: at most {PURCHASES_MAX}").into()) } else { Ok(whole) }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match bench().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            // Nobody is left to be told if this fails.
            let _ = writeln!(std::io::stderr(), "{problem}");
            ExitCode::FAILURE
        }
    }
}
