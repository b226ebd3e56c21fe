//! What people decided of purchases, for their timelines.

use sqlx::PgConnection;

use crate::platform::columns::instant;
use crate::platform::distributed::postgres::errors::commit_error;
use crate::platform::transaction::{CommitError, Note};

/// Keeps who decided what, and why, at the purchase's next revision.
pub(super) async fn note(connection: &mut PgConnection, note: &Note) -> Result<(), CommitError> {
    const NOTE: &str = "
        WITH stepped AS (UPDATE purchases p SET revision = p.revision + 1 WHERE p.id = $1 RETURNING p.seq, p.revision)
        INSERT INTO purchase_changes (purchase, revision, kind, changed_at, actor, reason)
        SELECT seq, revision, $2, $3::timestamptz, $4, $5 FROM stepped";
    let query = sqlx::query(NOTE)
        .bind(note.purchase_id)
        .bind(note.kind)
        .bind(instant(note.changed_at))
        .bind(&note.actor)
        .bind(&note.reason);
    match query.execute(connection).await.map_err(commit_error)?.rows_affected() {
        0 => Err(CommitError::changed(format!("purchase {}", note.purchase_id))),
        _ => Ok(()),
    }
}
