//! Edits of the roster: trainers, closures, and the version that tells of them.

use caravan_domain::trainer::Closure;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres};

use super::{column, count, trainers};
use crate::platform::columns::json;
use crate::platform::distributed::postgres::errors::commit_error;
use crate::platform::transaction::{CommitError, Effects, TrainerEdit};

/// Applies edits of trainers and closures; any of them, or the wish alone, raises the roster
/// version by one.
pub(super) async fn edit(connection: &mut PgConnection, effects: &Effects) -> Result<(), CommitError> {
    if effects.roster.is_empty() && effects.closures.is_none() && !effects.look_again {
        return Ok(());
    }
    let version: i64 = sqlx::query_scalar("UPDATE roster SET version = version + 1 RETURNING version")
        .fetch_one(&mut *connection)
        .await
        .map_err(commit_error)?;
    let (new, known): (Vec<_>, Vec<_>) = effects.roster.iter().partition(|edit| edit.version.is_none());
    add(connection, &new, version).await?;
    change(connection, &known, version).await?;
    match &effects.closures {
        Some(closures) => close(connection, closures).await,
        None => Ok(()),
    }
}

async fn add(connection: &mut PgConnection, new: &[&TrainerEdit], version: i64) -> Result<(), CommitError> {
    const THERE: &str = "SELECT id FROM trainers WHERE id = ANY($1)";
    const ADD: &str = "
        INSERT INTO trainers (roster_version, id, name, email, time_zone, languages, courses, availability, time_off,
                              max_sessions_per_week, weight, active)
        SELECT $1::bigint, * FROM UNNEST($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                                         $9::text[], $10::bigint[], $11::bigint[], $12::boolean[])
        ON CONFLICT DO NOTHING";
    if new.is_empty() {
        return Ok(());
    }
    let ids = column(new, |edit| edit.trainer.trainer_id.as_str());
    let there: Vec<String> =
        sqlx::query_scalar(THERE).bind(&ids).fetch_all(&mut *connection).await.map_err(commit_error)?;
    if !there.is_empty() {
        return Err(CommitError::trainers_changed(there.into_iter().collect()));
    }
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    if distinct.len() != ids.len() {
        return Err(CommitError::Refused("one transaction adds the same trainer twice".to_owned()));
    }
    let added = terms(sqlx::query(ADD).bind(version), new).execute(connection).await.map_err(commit_error)?;
    if added.rows_affected() == count(new) {
        return Ok(());
    }
    // Somebody else added one of them meanwhile.
    Err(CommitError::trainers_changed(ids.into_iter().map(str::to_owned).collect()))
}

async fn change(connection: &mut PgConnection, known: &[&TrainerEdit], version: i64) -> Result<(), CommitError> {
    const CHANGE: &str = "
        WITH locked AS MATERIALIZED (SELECT id FROM trainers WHERE id = ANY($2) ORDER BY id FOR UPDATE)
        UPDATE trainers t SET name = v.name, email = v.email, time_zone = v.time_zone, languages = v.languages,
            courses = v.courses, availability = v.availability, time_off = v.time_off,
            max_sessions_per_week = v.max_sessions_per_week, weight = v.weight, active = v.active,
            roster_version = $1, version = t.version + 1
        FROM UNNEST($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                    $10::bigint[], $11::bigint[], $12::boolean[], $13::bigint[])
             AS v (id, name, email, time_zone, languages, courses, availability, time_off, max_sessions_per_week, weight,
                   active, version)
        JOIN locked l ON l.id = v.id WHERE t.id = v.id AND t.version = v.version";
    let read_at = |edit: &&TrainerEdit| edit.version.unwrap_or_default();
    if known.is_empty() {
        return Ok(());
    }
    let query = terms(sqlx::query(CHANGE).bind(version), known).bind(column(known, read_at));
    let changed = query.execute(&mut *connection).await.map_err(commit_error)?.rows_affected();
    if changed == count(known) {
        return Ok(());
    }
    let expected: Vec<_> = known.iter().map(|edit| (edit.trainer.trainer_id.as_str(), read_at(edit))).collect();
    Err(trainers::not_at(connection, &expected).await?)
}

type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// The terms of trainers, column by column.
fn terms<'q>(query: Statement<'q>, edits: &[&TrainerEdit]) -> Statement<'q> {
    query
        .bind(column(edits, |edit| edit.trainer.trainer_id.clone()))
        .bind(column(edits, |edit| edit.trainer.name.clone()))
        .bind(column(edits, |edit| edit.trainer.email.clone()))
        .bind(column(edits, |edit| edit.trainer.time_zone.clone()))
        .bind(column(edits, |edit| json(&edit.trainer.languages)))
        .bind(column(edits, |edit| json(&edit.trainer.courses)))
        .bind(column(edits, |edit| json(&edit.trainer.availability)))
        .bind(column(edits, |edit| json(&edit.trainer.time_off)))
        .bind(column(edits, |edit| i64::from(edit.trainer.max_sessions_per_week)))
        .bind(column(edits, |edit| i64::from(edit.trainer.weight)))
        .bind(column(edits, |edit| edit.trainer.active))
}

async fn close(connection: &mut PgConnection, closures: &[Closure]) -> Result<(), CommitError> {
    const CLOSE: &str = "
        INSERT INTO closures (from_date, until_date, name)
        SELECT f::date, u::date, n FROM UNNEST($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS v (f, u, n, place)
        ORDER BY place";
    sqlx::query("DELETE FROM closures").execute(&mut *connection).await.map_err(commit_error)?;
    sqlx::query(CLOSE)
        .bind(column(closures, |closure| closure.from.to_string()))
        .bind(column(closures, |closure| closure.until.to_string()))
        .bind(column(closures, |closure| closure.name.as_str()))
        .execute(connection)
        .await
        .map_err(commit_error)?;
    Ok(())
}
