//! What the payment side gives back: each refund once, with what follows for its purchase.

use std::sync::LazyLock;

use sqlx::SqliteConnection;
use uuid::Uuid;

use super::count;
use super::notes::{self, Decided};
use crate::platform::embedded::bulk::{Bulk, json_list};
use crate::platform::embedded::rows::{instant, json};
use crate::platform::embedded::sqlite::commit_error;
use crate::platform::transaction::{CommitError, Effects, NewRefund, PurchaseNote, RefundsChange, Settlement};

static RECORD: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::insert(
        "refunds",
        "id, purchase_id, payment_id, item, refund_id, amount, currency, refunded_at, recorded_at, reason, metadata, state, \
         provisional",
        "ON CONFLICT (id) DO NOTHING",
    )
});

/// Records refunds, after the purchases of the same transaction.
pub(super) async fn record(connection: &mut SqliteConnection, effects: &Effects) -> Result<(), CommitError> {
    for change in &effects.refunds {
        as_decided(connection, change).await?;
        add(connection, change).await?;
        for note in &change.notes {
            self::note(connection, change.purchase_id, note).await?;
        }
    }
    let recorded: Vec<Uuid> = effects.purchases.iter().map(|purchase| purchase.id).collect();
    none_is_kept(connection, &recorded).await
}

/// Whether the purchase, and what is known of its refunds, are as they were decided on.
async fn as_decided(connection: &mut SqliteConnection, change: &RefundsChange) -> Result<(), CommitError> {
    const SQL: &str = "SELECT (SELECT revision FROM purchases WHERE id = ?1),
                              (SELECT count(*) FROM refunds WHERE purchase_id = ?1)";
    let query = sqlx::query_as(SQL).bind(change.purchase_id.to_string());
    let found: (Option<i64>, i64) = query.fetch_one(connection).await.map_err(commit_error)?;
    if found == (change.revision, change.known) {
        return Ok(());
    }
    Err(CommitError::changed(format!("purchase {} or its refunds", change.purchase_id)))
}

async fn add(connection: &mut SqliteConnection, change: &RefundsChange) -> Result<(), CommitError> {
    // Those a person has settled stay as they are.
    const BECOME: &str =
        "UPDATE refunds SET state = ?2 WHERE id IN (SELECT value FROM json_each(?1)) AND state IN ('kept', 'open')";
    let recorded = RECORD
        .run(connection, &change.refunds, |query, NewRefund { id, refund, recorded_at, state }| {
            query
                .bind(id.to_string())
                .bind(change.purchase_id.to_string())
                .bind(refund.payment_id.clone())
                .bind(refund.item.clone())
                .bind(refund.refund_id.clone())
                .bind(refund.amount.minor)
                .bind(refund.amount.currency.clone())
                .bind(instant(refund.refunded_at))
                .bind(instant(*recorded_at))
                .bind(refund.reason.clone())
                .bind(json(&refund.metadata))
                .bind(state.name())
                .bind(i64::from(refund.provisional))
        })
        .await
        .map_err(commit_error)?;
    if recorded != count(&change.refunds) {
        return Err(CommitError::changed(format!("refunds of purchase {}", change.purchase_id)));
    }
    for (state, ids) in &change.became {
        let query = sqlx::query(BECOME).bind(json_list(ids)).bind(state.name());
        query.execute(&mut *connection).await.map_err(commit_error)?;
    }
    Ok(())
}

/// Raises the purchase's revision by one, and says why.
async fn note(connection: &mut SqliteConnection, purchase_id: Uuid, note: &PurchaseNote) -> Result<(), CommitError> {
    const STEP: &str = "UPDATE purchases SET revision = revision + 1 WHERE id = ?1 AND revision = ?2 RETURNING seq";
    let query = sqlx::query_scalar(STEP).bind(purchase_id.to_string()).bind(note.revision - 1);
    let place: Option<i64> = query.fetch_optional(&mut *connection).await.map_err(commit_error)?;
    let place = place.ok_or_else(|| CommitError::changed(format!("purchase {purchase_id}")))?;
    let decided = Decided { kind: note.kind, at: note.changed_at, actor: &note.actor, reason: &note.reason };
    notes::keep(connection, place, note.revision, &decided).await
}

/// A refund that came before its payment must not be overlooked when that is recorded.
async fn none_is_kept(connection: &mut SqliteConnection, recorded: &[Uuid]) -> Result<(), CommitError> {
    const SQL: &str = "SELECT r.purchase_id FROM json_each(?1) AS asked
                       CROSS JOIN refunds r ON r.purchase_id = asked.value AND r.state = 'kept' LIMIT 1";
    if recorded.is_empty() {
        return Ok(());
    }
    let query = sqlx::query_scalar(SQL).bind(json_list(recorded));
    let kept: Option<String> = query.fetch_optional(connection).await.map_err(commit_error)?;
    match kept {
        Some(id) => Err(CommitError::changed(format!("refunds of purchase {id}"))),
        None => Ok(()),
    }
}

/// Notes what a person has decided about an open refund.
pub(super) async fn settle(connection: &mut SqliteConnection, settled: &[Settlement]) -> Result<(), CommitError> {
    const SQL: &str = "UPDATE refunds SET state = 'settled', settled_at = ?2, settled_by = ?3, note = ?4
                       WHERE id = ?1 AND state = 'open'";
    for settlement in settled {
        let query = sqlx::query(SQL)
            .bind(settlement.id.to_string())
            .bind(instant(settlement.at))
            .bind(settlement.by.as_str())
            .bind(settlement.note.as_str());
        let changed = query.execute(&mut *connection).await.map_err(commit_error)?.rows_affected();
        if changed != 1 {
            return Err(CommitError::changed(format!("refund {}", settlement.id)));
        }
    }
    Ok(())
}
