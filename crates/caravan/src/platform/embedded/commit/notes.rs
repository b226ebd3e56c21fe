//! What was decided of purchases, for their timelines.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use crate::platform::embedded::rows::instant;
use crate::platform::embedded::sqlite::commit_error;
use crate::platform::transaction::{CommitError, Note};

/// Keeps who decided what, and why, at the purchase's next revision.
pub(super) async fn note(connection: &mut SqliteConnection, note: &Note) -> Result<(), CommitError> {
    const STEP: &str = "UPDATE purchases SET revision = revision + 1 WHERE id = ?1 RETURNING seq, revision";
    let step = sqlx::query_as(STEP).bind(note.purchase_id.to_string());
    let stepped: Option<(i64, i64)> = step.fetch_optional(&mut *connection).await.map_err(commit_error)?;
    let Some((place, revision)) = stepped else {
        return Err(CommitError::changed(format!("purchase {}", note.purchase_id)));
    };
    let decided = Decided { kind: note.kind, at: note.changed_at, actor: &note.actor, reason: &note.reason };
    keep(connection, place, revision, &decided).await
}

/// What was decided, when, by whom and why.
pub(super) struct Decided<'a> {
    pub(super) kind: &'a str,
    pub(super) at: Timestamp,
    pub(super) actor: &'a str,
    pub(super) reason: &'a str,
}

/// Keeps what led the purchase at this place to this revision.
pub(super) async fn keep(
    connection: &mut SqliteConnection,
    place: i64,
    revision: i64,
    decided: &Decided<'_>,
) -> Result<(), CommitError> {
    const NOTE: &str = "INSERT INTO purchase_changes (purchase, revision, kind, changed_at, actor, reason)
                        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    sqlx::query(NOTE)
        .bind(place)
        .bind(revision)
        .bind(decided.kind)
        .bind(instant(decided.at))
        .bind(decided.actor)
        .bind(decided.reason)
        .execute(connection)
        .await
        .map_err(commit_error)?;
    Ok(())
}
