//! What people decided of purchases, for their timelines.

use sqlx::SqliteConnection;

use crate::platform::embedded::rows::instant;
use crate::platform::embedded::sqlite::commit_error;
use crate::platform::transaction::{CommitError, Note};

/// Keeps who decided what, and why, at the purchase's next revision.
pub(super) async fn note(connection: &mut SqliteConnection, note: &Note) -> Result<(), CommitError> {
    const STEP: &str = "UPDATE purchases SET revision = revision + 1 WHERE id = ?1 RETURNING seq, revision";
    const NOTE: &str = "INSERT INTO purchase_changes (purchase, revision, kind, changed_at, actor, reason)
                        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let step = sqlx::query_as(STEP).bind(note.purchase_id.to_string());
    let stepped: Option<(i64, i64)> = step.fetch_optional(&mut *connection).await.map_err(commit_error)?;
    let Some((place, revision)) = stepped else {
        return Err(CommitError::changed(format!("purchase {}", note.purchase_id)));
    };
    sqlx::query(NOTE)
        .bind(place)
        .bind(revision)
        .bind(note.kind)
        .bind(instant(note.changed_at))
        .bind(note.actor.as_str())
        .bind(note.reason.as_str())
        .execute(connection)
        .await
        .map_err(commit_error)?;
    Ok(())
}
