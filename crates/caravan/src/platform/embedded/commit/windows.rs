//! Windows that are extended: sessions put in the calendar, and the horizon raised with them.

use std::sync::LazyLock;

use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{count, purchases};
use crate::platform::embedded::bulk::{Bulk, json_list};
use crate::platform::embedded::rows::{PLACE_BITS, second};
use crate::platform::embedded::sqlite::{Failure, commit_error, failure};
use crate::platform::transaction::{CommitError, NewSession, WindowExtension};

static RAISE: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::with(
        "seq, allocation_id, from_date, until_date",
        "UPDATE purchases SET horizon = v.until_date, status = 'scheduled', revision = revision + 1
         FROM v WHERE purchases.seq = v.seq AND purchases.horizon IS v.from_date
           AND purchases.status IN ('allocated', 'scheduled')
           AND (SELECT a.id FROM allocations a
                WHERE a.seq > v.seq << 16 AND a.seq < (v.seq + 1) << 16 AND a.status = 'active') = v.allocation_id",
    )
});
static SCHEDULE: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::insert("sessions", "seq, id, purchase_id, trainer_id, ordinal, local_date, starts_at, ends_at", "")
});

/// A window and its purchase's place.
type Placed<'a> = (i64, &'a WindowExtension);

/// Extends windows whose horizon and allocation are still those the decision was made on.
pub(super) async fn extend(connection: &mut SqliteConnection, windows: &[WindowExtension]) -> Result<(), CommitError> {
    if let Some(lowered) = windows.iter().find(|window| window.from.is_some_and(|from| window.until <= from)) {
        let purchase = lowered.purchase_id;
        return Err(CommitError::Refused(format!("the horizon of purchase {purchase} would not be raised")));
    }
    let ids: Vec<_> = windows.iter().map(|window| window.purchase_id).collect();
    let places = purchases::places(connection, &ids).await?;
    let mut placed: Vec<Placed<'_>> =
        windows.iter().filter_map(|window| Some((*places.get(&window.purchase_id)?, window))).collect();
    // As the tables are sorted, so that neighbours land on the same page.
    placed.sort_by_key(|(place, _)| *place);
    let raised = RAISE
        .run(connection, &placed, |query, (place, window)| {
            query
                .bind(*place)
                .bind(window.allocation_id.to_string())
                .bind(window.from.map(|date| date.to_string()))
                .bind(window.until.to_string())
        })
        .await
        .map_err(commit_error)?;
    if raised != count(windows) {
        return Err(not_as_decided(connection, windows).await?);
    }
    schedule(connection, &placed).await
}

async fn schedule(connection: &mut SqliteConnection, placed: &[Placed<'_>]) -> Result<(), CommitError> {
    let sessions: Vec<(&Placed<'_>, &NewSession)> =
        placed.iter().flat_map(|window| window.1.sessions.iter().map(move |session| (window, session))).collect();
    let Some(earliest) = sessions.iter().map(|(_, session)| session.starts_at).min() else { return Ok(()) };
    let scheduled = SCHEDULE.run(connection, &sessions, |query, ((place, window), session)| {
        query
            .bind(place << PLACE_BITS | i64::from(session.ordinal))
            .bind(session.id.to_string())
            .bind(window.purchase_id.to_string())
            .bind(window.trainer_id.as_str())
            .bind(session.ordinal)
            .bind(session.local_date.to_string())
            .bind(second(session.starts_at))
            .bind(second(session.ends_at))
    });
    match scheduled.await {
        Ok(_) => super::completion::note_scheduled(connection, earliest).await,
        Err(error) if failure(&error) == Failure::Unique => Err(CommitError::changed("the sessions of a purchase")),
        Err(error) => Err(commit_error(error)),
    }
}

/// The conflict of windows that are not as they were, named.
async fn not_as_decided(
    connection: &mut SqliteConnection,
    windows: &[WindowExtension],
) -> Result<CommitError, CommitError> {
    const SQL: &str = "SELECT asked.value FROM json_each(?1) AS asked
                       LEFT JOIN purchases p ON p.id = asked.value AND p.status = 'scheduled'
                       LEFT JOIN json_each(?2) AS until ON until.key = asked.key
                       WHERE p.horizon IS NOT until.value LIMIT 3";
    let ids: Vec<Uuid> = windows.iter().map(|window| window.purchase_id).collect();
    let untils: Vec<String> = windows.iter().map(|window| window.until.to_string()).collect();
    let query = sqlx::query_scalar(SQL).bind(json_list(&ids)).bind(json_list(&untils));
    let found: Vec<String> = query.fetch_all(connection).await.map_err(commit_error)?;
    let named = if found.is_empty() { "a purchase".to_owned() } else { format!("purchase {}", found.join(", ")) };
    Ok(CommitError::changed(format!("the window or the allocation of {named}")))
}
