//! Windows that are extended: sessions put in the calendar, and the horizon raised with them.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{column, count, purchases};
use crate::platform::columns::{instant, second};
use crate::platform::distributed::PLACE_BITS;
use crate::platform::distributed::postgres::errors::{Failure, commit_error, failure};
use crate::platform::transaction::{CommitError, NewSession, WindowExtension};

/// A window and its purchase's place.
type Placed<'a> = (i64, &'a WindowExtension);

/// Extends windows whose horizon and allocation are still those the decision was made on.
pub(super) async fn extend(connection: &mut PgConnection, windows: &[WindowExtension]) -> Result<(), CommitError> {
    const RAISE: &str = "
        WITH locked AS MATERIALIZED (
            SELECT p.seq, p.status, p.horizon, p.revision = coalesce(v.revision, p.revision) AS as_read, v.allocation_id,
                   v.from_date::date, v.until_date::date, v.at::timestamptz
            FROM UNNEST($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::text[])
                 AS v (seq, allocation_id, from_date, until_date, revision, at)
            JOIN purchases p ON p.seq = v.seq ORDER BY p.seq FOR UPDATE OF p)
        UPDATE purchases p SET horizon = l.until_date, status = 'scheduled', revision = p.revision + 1,
               scheduled_at = coalesce(p.scheduled_at, CASE WHEN p.horizon IS NULL THEN l.at END)
        FROM locked l JOIN allocations a ON a.seq >> 16 = l.seq AND a.status = 'active' AND a.id = l.allocation_id
        WHERE p.seq = l.seq AND l.as_read AND l.horizon IS NOT DISTINCT FROM l.from_date AND l.status IN ('allocated', 'scheduled')";
    if windows.is_empty() {
        return Ok(());
    }
    if let Some(lowered) = windows.iter().find(|window| window.from.is_some_and(|from| window.until <= from)) {
        let purchase = lowered.purchase_id;
        return Err(CommitError::Refused(format!("the horizon of purchase {purchase} would not be raised")));
    }
    let ids = column(windows, |window| window.purchase_id);
    let places = purchases::places(connection, &ids).await?;
    let mut placed: Vec<Placed<'_>> =
        windows.iter().filter_map(|window| Some((*places.get(&window.purchase_id)?, window))).collect();
    placed.sort_by_key(|(place, _)| *place);
    let query = sqlx::query(RAISE)
        .bind(column(&placed, |(place, _)| *place))
        .bind(column(&placed, |(_, window)| window.allocation_id))
        .bind(column(&placed, |(_, window)| window.from.map(|date| date.to_string())))
        .bind(column(&placed, |(_, window)| window.until.to_string()))
        .bind(column(&placed, |(_, window)| window.revision))
        .bind(column(&placed, |(_, window)| instant(window.at)));
    let raised = query.execute(&mut *connection).await.map_err(commit_error)?.rows_affected();
    if raised != count(windows) {
        return Err(not_as_decided(connection, windows, &ids).await?);
    }
    schedule(connection, &placed).await
}

async fn schedule(connection: &mut PgConnection, placed: &[Placed<'_>]) -> Result<(), CommitError> {
    let mut sessions: Vec<SessionRow<'_>> = Vec::new();
    for &(place, window) in placed {
        let row = |session| (place, window.purchase_id, window.trainer_id.as_str(), session);
        sessions.extend(window.sessions.iter().map(row));
    }
    put(connection, &sessions).await
}

/// A session with its purchase's place and id, and who teaches it unless it tells itself.
pub(super) type SessionRow<'a> = (i64, Uuid, &'a str, &'a NewSession);

/// Puts sessions in the calendar.
pub(super) async fn put(connection: &mut PgConnection, sessions: &[SessionRow<'_>]) -> Result<(), CommitError> {
    const SCHEDULE: &str = "
        INSERT INTO sessions (seq, id, purchase_id, trainer_id, ordinal, local_date, starts_at, ends_at, status, planned_starts_at)
        SELECT seq, id, purchase_id, trainer_id, ordinal, local_date::date, starts_at::timestamptz, ends_at::timestamptz,
               coalesce(status, 'scheduled'), nullif(planned::timestamptz, starts_at::timestamptz)
        FROM UNNEST($1::bigint[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[],
                    $10::text[])
             AS v (seq, id, purchase_id, trainer_id, ordinal, local_date, starts_at, ends_at, status, planned)";
    let Some(earliest) = sessions.iter().map(|(.., session)| session.starts_at).min() else { return Ok(()) };
    let taught_by = |trainer_id: &'_ str, session: &NewSession| {
        session.changed.as_ref().map_or_else(|| trainer_id.to_owned(), |changed| changed.trainer_id.clone())
    };
    let query = sqlx::query(SCHEDULE)
        .bind(column(sessions, |(place, .., session)| place << PLACE_BITS | i64::from(session.ordinal)))
        .bind(column(sessions, |(.., session)| session.id))
        .bind(column(sessions, |(_, purchase_id, ..)| *purchase_id))
        .bind(column(sessions, |(_, _, trainer_id, session)| taught_by(trainer_id, session)))
        .bind(column(sessions, |(.., session)| i64::from(session.ordinal)))
        .bind(column(sessions, |(.., session)| session.local_date.to_string()))
        .bind(column(sessions, |(.., session)| second(session.starts_at)))
        .bind(column(sessions, |(.., session)| second(session.ends_at)))
        .bind(column(sessions, |(.., session)| session.changed.as_ref().map(|changed| changed.status.name())))
        .bind(column(sessions, |(.., session)| {
            session.changed.as_ref().map(|changed| second(changed.planned_starts_at))
        }));
    match query.execute(&mut *connection).await {
        Ok(_) => super::completion::note_scheduled(connection, earliest).await,
        Err(error) if failure(&error) == Failure::Unique => Err(CommitError::changed("the sessions of a purchase")),
        Err(error) => Err(commit_error(error)),
    }
}

/// The conflict of windows that are not as they were, named.
async fn not_as_decided(
    connection: &mut PgConnection,
    windows: &[WindowExtension],
    ids: &[Uuid],
) -> Result<CommitError, CommitError> {
    const SQL: &str = "SELECT asked.id::text FROM UNNEST($1::uuid[], $2::text[]) AS asked (id, until_date)
                       LEFT JOIN purchases p ON p.id = asked.id AND p.status = 'scheduled'
                       WHERE p.horizon IS DISTINCT FROM asked.until_date::date LIMIT 3";
    let query = sqlx::query_scalar(SQL).bind(ids).bind(column(windows, |window| window.until.to_string()));
    let found: Vec<String> = query.fetch_all(connection).await.map_err(commit_error)?;
    let named = if found.is_empty() { "a purchase".to_owned() } else { format!("purchase {}", found.join(", ")) };
    Ok(CommitError::changed(format!("the window or the allocation of {named}")))
}
