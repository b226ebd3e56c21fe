//! Windows that are extended: sessions put in the calendar, and the horizon raised with them.

use std::sync::LazyLock;

use caravan_domain::session::SessionStatus;
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{count, purchases};
use crate::platform::embedded::bulk::{Bulk, json_list};
use crate::platform::embedded::rows::{PLACE_BITS, instant, second};
use crate::platform::embedded::sqlite::{Failure, commit_error, failure};
use crate::platform::transaction::{CommitError, NewSession, WindowExtension};

static RAISE: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::with(
        "seq, allocation_id, from_date, until_date, decided_on, at",
        "UPDATE purchases SET horizon = v.until_date, status = 'scheduled', revision = revision + 1,
                scheduled_at = coalesce(scheduled_at, CASE WHEN horizon IS NULL THEN v.at END)
         FROM v WHERE purchases.seq = v.seq AND purchases.horizon IS v.from_date
           AND purchases.status IN ('allocated', 'scheduled') AND purchases.revision = coalesce(v.decided_on, purchases.revision)
           AND (SELECT a.id FROM allocations a
                WHERE a.seq > v.seq << 16 AND a.seq < (v.seq + 1) << 16 AND a.status = 'active') = v.allocation_id",
    )
});
static SCHEDULE: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::insert("sessions", "seq, id, purchase_id, trainer_id, ordinal, local_date, starts_at, ends_at", "")
});
static SCHEDULE_CHANGED: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::insert(
        "sessions",
        "seq, id, purchase_id, trainer_id, ordinal, local_date, starts_at, ends_at, status, planned_starts_at",
        "",
    )
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
                .bind(window.revision)
                .bind(instant(window.at))
        })
        .await
        .map_err(commit_error)?;
    if raised != count(windows) {
        return Err(not_as_decided(connection, windows).await?);
    }
    schedule(connection, &placed).await
}

async fn schedule(connection: &mut SqliteConnection, placed: &[Placed<'_>]) -> Result<(), CommitError> {
    let sessions = placed.iter().flat_map(|window| window.1.sessions.iter().map(move |session| (window, session)));
    let (changed, planned): (Vec<_>, Vec<(&Placed<'_>, &NewSession)>) =
        sessions.partition(|(_, session)| session.changed.is_some());
    let scheduled = SCHEDULE.run(connection, &planned, |query, ((place, window), session)| {
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
    scheduled.await.map_err(unless_there)?;
    if let Some(earliest) = planned.iter().map(|(_, session)| session.starts_at).min() {
        super::completion::note_scheduled(connection, earliest).await?;
    }
    let mut rows: Vec<SessionRow<'_>> = Vec::with_capacity(changed.len());
    for ((place, window), session) in changed {
        rows.push((*place, window.purchase_id, window.trainer_id.as_str(), session));
    }
    put_changed(connection, &rows).await
}

/// A session with its purchase's place and id, and who teaches it unless it tells itself.
pub(super) type SessionRow<'a> = (i64, Uuid, &'a str, &'a NewSession);

/// Puts sessions in the calendar that people have changed or added.
pub(super) async fn put_changed(
    connection: &mut SqliteConnection,
    sessions: &[SessionRow<'_>],
) -> Result<(), CommitError> {
    let Some(earliest) = sessions.iter().map(|(.., session)| session.starts_at).min() else { return Ok(()) };
    let put = SCHEDULE_CHANGED.run(connection, sessions, |query, (place, purchase_id, trainer_id, session)| {
        let changed = session.changed.as_ref();
        let planned = changed.map(|changed| changed.planned_starts_at).filter(|at| *at != session.starts_at);
        query
            .bind(place << PLACE_BITS | i64::from(session.ordinal))
            .bind(session.id.to_string())
            .bind(purchase_id.to_string())
            .bind(changed.map_or_else(|| (*trainer_id).to_owned(), |changed| changed.trainer_id.clone()))
            .bind(session.ordinal)
            .bind(session.local_date.to_string())
            .bind(second(session.starts_at))
            .bind(second(session.ends_at))
            .bind(changed.map_or(SessionStatus::Scheduled, |changed| changed.status).name())
            .bind(planned.map(second))
    });
    put.await.map_err(unless_there)?;
    super::completion::note_scheduled(connection, earliest).await
}

/// Sessions that are there already were put there meanwhile.
fn unless_there(error: sqlx::Error) -> CommitError {
    match failure(&error) {
        Failure::Unique => CommitError::changed("the sessions of a purchase"),
        _ => commit_error(error),
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
