//! Edits of the roster: trainers, closures, and the version that tells of them.

use std::sync::LazyLock;

use caravan_domain::trainer::{Closure, Trainer};
use sqlx::SqliteConnection;

use super::{count, trainers};
use crate::platform::embedded::bulk::{Bulk, Query, json_list};
use crate::platform::embedded::rows::json;
use crate::platform::embedded::sqlite::commit_error;
use crate::platform::transaction::{CommitError, Effects, TrainerEdit};

const COLUMNS: &str = "id, name, email, time_zone, languages, courses, availability, time_off, \
     max_sessions_per_week, weight, active, roster_version";

static ADD: LazyLock<Bulk> = LazyLock::new(|| Bulk::insert("trainers", COLUMNS, "ON CONFLICT DO NOTHING"));
static CHANGE: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::with(
        &format!("{COLUMNS}, version"),
        "UPDATE trainers SET name = v.name, email = v.email, time_zone = v.time_zone, languages = v.languages,
             courses = v.courses, availability = v.availability, time_off = v.time_off,
             max_sessions_per_week = v.max_sessions_per_week, weight = v.weight, active = v.active,
             roster_version = v.roster_version, version = trainers.version + 1
         FROM v WHERE trainers.id = v.id AND trainers.version = v.version",
    )
});
static CLOSE: LazyLock<Bulk> = LazyLock::new(|| Bulk::insert("closures", "from_date, until_date, name", ""));

/// Applies edits of trainers and closures; any of them, or the wish alone, raises the roster
/// version by one.
pub(super) async fn edit(connection: &mut SqliteConnection, effects: &Effects) -> Result<(), CommitError> {
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

async fn add(connection: &mut SqliteConnection, new: &[&TrainerEdit], version: i64) -> Result<(), CommitError> {
    const THERE: &str = "SELECT id FROM trainers WHERE id IN (SELECT value FROM json_each(?1))";
    let ids: Vec<_> = new.iter().map(|edit| edit.trainer.trainer_id.as_str()).collect();
    let there: Vec<String> = match ids.as_slice() {
        [] => return Ok(()),
        ids => {
            sqlx::query_scalar(THERE).bind(json_list(ids)).fetch_all(&mut *connection).await.map_err(commit_error)?
        }
    };
    if !there.is_empty() {
        return Err(CommitError::trainers_changed(there.into_iter().collect()));
    }
    let added =
        ADD.run(connection, new, |query, edit| terms(query, &edit.trainer, version)).await.map_err(commit_error)?;
    match added == count(new) {
        true => Ok(()),
        false => Err(CommitError::Refused("one transaction adds the same trainer twice".to_owned())),
    }
}

async fn change(connection: &mut SqliteConnection, known: &[&TrainerEdit], version: i64) -> Result<(), CommitError> {
    let read_at = |edit: &TrainerEdit| edit.version.unwrap_or_default();
    let changed = CHANGE
        .run(connection, known, |query, edit| terms(query, &edit.trainer, version).bind(read_at(edit)))
        .await
        .map_err(commit_error)?;
    if changed == count(known) {
        return Ok(());
    }
    let expected: Vec<_> = known.iter().map(|edit| (edit.trainer.trainer_id.as_str(), read_at(edit))).collect();
    Err(trainers::not_at(connection, &expected).await?)
}

fn terms<'q>(query: Query<'q>, trainer: &Trainer, version: i64) -> Query<'q> {
    query
        .bind(trainer.trainer_id.as_str())
        .bind(trainer.name.as_deref())
        .bind(trainer.email.as_deref())
        .bind(trainer.time_zone.as_str())
        .bind(json(&trainer.languages))
        .bind(json(&trainer.courses))
        .bind(json(&trainer.availability))
        .bind(json(&trainer.time_off))
        .bind(trainer.max_sessions_per_week)
        .bind(trainer.weight)
        .bind(trainer.active)
        .bind(version)
}

async fn close(connection: &mut SqliteConnection, closures: &[Closure]) -> Result<(), CommitError> {
    sqlx::query("DELETE FROM closures").execute(&mut *connection).await.map_err(commit_error)?;
    CLOSE
        .run(connection, closures, |query, closure| {
            query.bind(closure.from.to_string()).bind(closure.until.to_string()).bind(closure.name.as_str())
        })
        .await
        .map_err(commit_error)?;
    Ok(())
}
