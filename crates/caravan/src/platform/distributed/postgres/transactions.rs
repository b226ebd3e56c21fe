//! Transactions that leave nothing open behind a caller who goes away.

use sqlx::{PgPool, Postgres};

/// Begins a transaction. A caller who is dropped meanwhile, as a request is that takes too long, leaves none open.
///
/// sqlx rolls back only what it knows has begun: a `BEGIN` that was sent but whose answer nobody waited for would stay
/// open on a connection of the pool, and whoever gets that connection next would work in it. So a task of its own waits.
///
/// # Errors
/// As `begin` of [`PgPool`].
pub(super) async fn begin(pool: &PgPool) -> Result<sqlx::Transaction<'static, Postgres>, sqlx::Error> {
    begin_with(pool, "BEGIN").await
}

/// As [`begin`], for a transaction whose statements all see the same and that writes nothing.
///
/// # Errors
/// As [`begin`].
pub(super) async fn begin_moment(pool: &PgPool) -> Result<sqlx::Transaction<'static, Postgres>, sqlx::Error> {
    begin_with(pool, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
}

async fn begin_with(
    pool: &PgPool,
    statement: &'static str,
) -> Result<sqlx::Transaction<'static, Postgres>, sqlx::Error> {
    let pool = pool.clone();
    let begun = tokio::spawn(async move { pool.begin_with(statement).await });
    begun.await.map_err(|_stopped| sqlx::Error::WorkerCrashed)?
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sqlx::postgres::PgPoolOptions;

    use super::{begin, begin_moment};

    /// How many are broken off, each a little later than the one before.
    const BROKEN_OFF: u64 = 400;
    const STEP: Duration = Duration::from_micros(2);

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_goes_away_while_it_begins_leaves_no_transaction_open() {
        let url = std::env::var("CARAVAN_TEST_POSTGRES_URL").expect("CARAVAN_TEST_POSTGRES_URL: run scripts/test");
        let pool = PgPoolOptions::new().max_connections(1).connect(&url).await.unwrap();
        for number in 0..BROKEN_OFF {
            let after = STEP * u32::try_from(number).unwrap();
            let _broken_off = match number % 2 {
                0 => tokio::time::timeout(after, begin(&pool)).await.is_err(),
                _ => tokio::time::timeout(after, begin_moment(&pool)).await.is_err(),
            };
            // Statements by themselves are transactions of their own, so each has another number.
            let one: String = number_of_its_transaction(&pool).await;
            assert_ne!(one, number_of_its_transaction(&pool).await, "broken off after {after:?}");
        }
    }

    async fn number_of_its_transaction(pool: &sqlx::PgPool) -> String {
        sqlx::query_scalar("SELECT pg_current_xact_id()::text").fetch_one(pool).await.unwrap()
    }
}
