//! What the payment side gives back: each refund once, with what follows for its purchase.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{column, count};
use crate::platform::columns::{instant, json};
use crate::platform::distributed::postgres::errors::commit_error;
use crate::platform::transaction::{CommitError, Effects, PurchaseNote, RefundsChange, Settlement};

/// Lets no purchase be recorded while refunds are that come before their payment, in the schema: neither sees what the
/// other has not committed. To be taken before anything of both is written.
pub(super) async fn take_turns(connection: &mut PgConnection, effects: &Effects) -> Result<(), CommitError> {
    const ALONE: &str =
        "SELECT pg_advisory_xact_lock(hashtextextended('caravan/' || current_schema() || '/refunds', 0))";
    const SHARED: &str =
        "SELECT pg_advisory_xact_lock_shared(hashtextextended('caravan/' || current_schema() || '/refunds', 0))";
    let keeps = effects.refunds.iter().any(|change| change.revision.is_none());
    let lock = if keeps { ALONE } else { SHARED };
    if keeps || !effects.purchases.is_empty() {
        sqlx::query(lock).execute(connection).await.map_err(commit_error)?;
    }
    Ok(())
}

/// Records refunds, after the purchases of the same transaction.
pub(super) async fn record(connection: &mut PgConnection, effects: &Effects) -> Result<(), CommitError> {
    for change in &effects.refunds {
        as_decided(connection, change).await?;
        add(connection, change).await?;
        for note in &change.notes {
            self::note(connection, change.purchase_id, note).await?;
        }
    }
    let recorded = column(&effects.purchases, |purchase| purchase.id);
    none_is_kept(connection, &recorded).await
}

/// Whether the purchase, and what is known of its refunds, are as they were decided on. Who holds the purchase's row, or
/// its turn where there is none, is alone with its refunds.
async fn as_decided(connection: &mut PgConnection, change: &RefundsChange) -> Result<(), CommitError> {
    const HOLD: &str = "SELECT revision FROM purchases WHERE id = $1 FOR UPDATE";
    const COUNT: &str = "SELECT count(*) FROM refunds WHERE purchase_id = $1";
    let query = sqlx::query_scalar(HOLD).bind(change.purchase_id);
    let revision: Option<i64> = query.fetch_optional(&mut *connection).await.map_err(commit_error)?;
    let query = sqlx::query_scalar(COUNT).bind(change.purchase_id);
    let known: i64 = query.fetch_one(connection).await.map_err(commit_error)?;
    if (revision, known) == (change.revision, change.known) {
        return Ok(());
    }
    Err(CommitError::changed(format!("purchase {} or its refunds", change.purchase_id)))
}

async fn add(connection: &mut PgConnection, change: &RefundsChange) -> Result<(), CommitError> {
    const RECORD: &str = "
        INSERT INTO refunds (id, purchase_id, payment_id, item, refund_id, amount, currency, refunded_at, recorded_at, reason,
                             metadata, state, provisional)
        SELECT v.id, $1, v.payment_id, v.item, v.refund_id, v.amount, v.currency, v.refunded_at::timestamptz,
               v.recorded_at::timestamptz, v.reason, v.metadata, v.state, v.provisional
        FROM UNNEST($2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[],
                    $11::text[], $12::text[], $13::bool[]) WITH ORDINALITY
             AS v (id, payment_id, item, refund_id, amount, currency, refunded_at, recorded_at, reason, metadata, state, provisional, place)
        ORDER BY v.place ON CONFLICT (id) DO NOTHING";
    // Those a person has settled stay as they are.
    const BECOME: &str = "UPDATE refunds SET state = $2 WHERE id = ANY($1) AND state IN ('kept', 'open')";
    let refunds = &change.refunds;
    let query = sqlx::query(RECORD)
        .bind(change.purchase_id)
        .bind(column(refunds, |new| new.id))
        .bind(column(refunds, |new| new.refund.payment_id.as_str()))
        .bind(column(refunds, |new| new.refund.item.as_deref()))
        .bind(column(refunds, |new| new.refund.refund_id.as_str()))
        .bind(column(refunds, |new| new.refund.amount.minor))
        .bind(column(refunds, |new| new.refund.amount.currency.as_str()))
        .bind(column(refunds, |new| instant(new.refund.refunded_at)))
        .bind(column(refunds, |new| instant(new.recorded_at)))
        .bind(column(refunds, |new| new.refund.reason.as_deref()))
        .bind(column(refunds, |new| json(&new.refund.metadata)))
        .bind(column(refunds, |new| new.state.name()))
        .bind(column(refunds, |new| new.refund.provisional));
    let recorded = query.execute(&mut *connection).await.map_err(commit_error)?.rows_affected();
    if recorded != count(refunds) {
        return Err(CommitError::changed(format!("refunds of purchase {}", change.purchase_id)));
    }
    for (state, ids) in &change.became {
        let query = sqlx::query(BECOME).bind(ids).bind(state.name());
        query.execute(&mut *connection).await.map_err(commit_error)?;
    }
    Ok(())
}

/// Raises the purchase's revision by one, and says why.
async fn note(connection: &mut PgConnection, purchase_id: Uuid, note: &PurchaseNote) -> Result<(), CommitError> {
    const SQL: &str = "
        WITH stepped AS (UPDATE purchases SET revision = revision + 1 WHERE id = $1 AND revision = $2 - 1 RETURNING seq)
        INSERT INTO purchase_changes (purchase, revision, kind, changed_at, actor, reason)
        SELECT seq, $2, $3, $4::timestamptz, $5, $6 FROM stepped";
    let query = sqlx::query(SQL)
        .bind(purchase_id)
        .bind(note.revision)
        .bind(note.kind)
        .bind(instant(note.changed_at))
        .bind(note.actor.as_str())
        .bind(note.reason.as_str());
    match query.execute(connection).await.map_err(commit_error)?.rows_affected() {
        1 => Ok(()),
        _ => Err(CommitError::changed(format!("purchase {purchase_id}"))),
    }
}

/// A refund that came before its payment must not be overlooked when that is recorded.
async fn none_is_kept(connection: &mut PgConnection, recorded: &[Uuid]) -> Result<(), CommitError> {
    const SQL: &str = "SELECT purchase_id::text FROM refunds WHERE purchase_id = ANY($1) AND state = 'kept' LIMIT 1";
    if recorded.is_empty() {
        return Ok(());
    }
    let query = sqlx::query_scalar(SQL).bind(recorded);
    let kept: Option<String> = query.fetch_optional(connection).await.map_err(commit_error)?;
    match kept {
        Some(id) => Err(CommitError::changed(format!("refunds of purchase {id}"))),
        None => Ok(()),
    }
}

/// Notes what a person has decided about an open refund.
pub(super) async fn settle(connection: &mut PgConnection, settled: &[Settlement]) -> Result<(), CommitError> {
    const SQL: &str = "UPDATE refunds SET state = 'settled', settled_at = $2::timestamptz, settled_by = $3, note = $4
                       WHERE id = $1 AND state = 'open'";
    for settlement in settled {
        let query = sqlx::query(SQL)
            .bind(settlement.id)
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
