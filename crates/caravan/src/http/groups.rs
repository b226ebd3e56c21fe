//! How far the consumer groups are.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::Site;
use super::problem::Problem;
use super::shapes::{GroupShown, GroupsShown, Refusals};
use crate::lag::{Lag, lags};

/// List consumer groups
#[utoipa::path(
    get, path = "/v1/groups", tag = "System", operation_id = "listGroups",
    responses((status = 200, description = "By group, topic and partition.", body = GroupsShown), Refusals),
    security(("token" = ["read"]))
)]
pub(super) async fn list(State(site): State<Arc<Site>>) -> Result<Json<GroupsShown>, Problem> {
    let platform = site.platform()?;
    let groups = lags(platform).await?.iter().map(shown).collect();
    let outbox = platform.store.outbox_depths().await?.iter().map(|depth| depth.rows).sum();
    Ok(Json(GroupsShown { groups, outbox }))
}

fn shown(lag: &Lag) -> GroupShown {
    GroupShown {
        group: lag.worker.spec().group,
        topic: lag.topic,
        partition: lag.partition,
        committed: lag.committed,
        end: lag.end,
        lag: lag.records(),
    }
}
