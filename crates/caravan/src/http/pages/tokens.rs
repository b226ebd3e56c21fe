//! API tokens: who may come in, making one, which is shown once, and making one worth nothing. For admins.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use caravan_domain::access::Role;
use tracing::info;
use uuid::Uuid;

use super::fault::Fault;
use super::form::{Fields, Sent};
use super::frame::{Frame, Place, done, not_done, page, refused};
use super::visitor::{Visit, Visitor, may_not_administer};
use super::words::moment;
use crate::access::{TOKEN_NAME_CHARS_MAX, create_token, revoke_token};
use crate::http::Site;
use crate::platform::Platform;
use crate::platform::desk::Token;
use crate::platform::transaction::CommitError;

/// Tokens that are shown, the latest first.
const TOKENS_MAX: usize = 200;

/// A token as a line of a list.
struct Line {
    id: Uuid,
    name: String,
    role: Role,
    made: String,
    is_own: bool,
}

#[derive(Template)]
#[template(path = "tokens.html")]
struct Page {
    frame: Frame,
    roles: [(Role, &'static str); 4],
    name_chars_max: usize,
    lines: Vec<Line>,
    more: usize,
    /// The name and the secret of a token that was made just now.
    made: Option<(String, String)>,
}

impl Page {
    async fn with(frame: Frame, platform: &Platform, visitor: &Visitor) -> Result<Self, Fault> {
        let tokens = platform.store.tokens().await?;
        let valid: Vec<&Token> = tokens.iter().rev().filter(|token| token.revoked_at.is_none()).collect();
        Ok(Self {
            frame,
            roles: Role::ALL.map(|role| (role, meaning(role))),
            name_chars_max: TOKEN_NAME_CHARS_MAX,
            lines: valid.iter().take(TOKENS_MAX).map(|token| line(token, visitor)).collect(),
            more: valid.len().saturating_sub(TOKENS_MAX),
            made: None,
        })
    }
}

fn line(token: &Token, visitor: &Visitor) -> Line {
    Line {
        id: token.id,
        name: if token.name.is_empty() { "without a name".to_owned() } else { token.name.clone() },
        role: token.role,
        made: moment(token.created_at, &visitor.zone),
        is_own: token.id == visitor.token_id,
    }
}

/// What a role's holder may do.
const fn meaning(role: Role) -> &'static str {
    match role {
        Role::Ingest => "hands in payments and orders, sees nothing: for a shop's server",
        Role::Read => "sees what is taught and how all stands, changes nothing",
        Role::Operate => "sees and changes what is taught: for whoever runs the day",
        Role::Admin => "may do everything, this page too",
    }
}

/// `GET /tokens`
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    Visit { visitor, platform }: Visit,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    if !visitor.administers() {
        return Err(may_not_administer(&visitor));
    }
    let frame = Frame::of(&site, &visitor, &headers, Place::System, "API tokens").await?;
    page(&Page::with(frame, &platform, &visitor).await?)
}

/// `POST /tokens`: with `revoke` that token is worth nothing any more, else one is made.
pub(super) async fn act(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Sent { visit: Visit { visitor, platform }, fields }: Sent,
) -> Result<Response, Fault> {
    if !visitor.administers() {
        return Err(may_not_administer(&visitor));
    }
    if let Some(id) = fields.text("revoke") {
        return revoke(&platform, &visitor, id).await;
    }
    let frame = Frame::of(&site, &visitor, &headers, Place::System, "API tokens").await?;
    match wanted(&fields) {
        Ok((name, role)) => {
            // What can fail comes first: a secret that was made is shown.
            let mut shown = Page::with(frame, &platform, &visitor).await?;
            let (token, secret) = create_token(&platform, name, role).await?;
            info!(by = visitor.name, token = %token.id, role = %token.role, "{} makes token {}", visitor.name, token.id);
            shown.lines.insert(0, line(&token, &visitor));
            page(&Page { made: Some((token.name, secret)), ..shown })
        }
        Err(refusal) => refused(&Page::with(frame.refusing(Some(refusal)), &platform, &visitor).await?),
    }
}

fn wanted(fields: &Fields) -> Result<(&str, Role), String> {
    let name = fields.text("name").filter(|name| name.chars().count() <= TOKEN_NAME_CHARS_MAX && !name.contains('\0'));
    let name = name.ok_or_else(|| format!("Say who holds it, in 1 to {TOKEN_NAME_CHARS_MAX} characters."))?;
    let role = fields.text("role").unwrap_or_default().parse().map_err(|_| "Say what its holder may do.".to_owned())?;
    Ok((name, role))
}

async fn revoke(platform: &Platform, visitor: &Visitor, id: &str) -> Result<Response, Fault> {
    let missing = || Fault::not_found("there is no such token");
    let id: Uuid = id.parse().map_err(|_| missing())?;
    if id == visitor.token_id {
        let advice = "You are signed in with this one: sign in with another, or use caravan tokens revoke.";
        return Ok(not_done("/tokens", advice));
    }
    match revoke_token(platform, id).await {
        Ok(()) => {
            info!(by = visitor.name, token = %id, "{} revokes token {id}", visitor.name);
            Ok(done("/tokens", "Nobody comes in with it any more, within seconds and for ever."))
        }
        Err(CommitError::Conflict { .. }) => Err(missing()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;

    use super::*;

    #[tokio::test]
    async fn a_token_has_a_name_and_a_role() {
        let long = format!("name={}&role=read", "x".repeat(TOKEN_NAME_CHARS_MAX + 1));
        for (body, is_taken) in [
            ("name=shop&role=ingest", true),
            ("name=+&role=ingest", false),
            ("name=a%00b&role=read", false),
            ("name=shop&role=king", false),
            ("name=shop", false),
            (long.as_str(), false),
        ] {
            let fields = Fields::read(Bytes::from(body.to_owned())).await.unwrap();
            assert_eq!(wanted(&fields).is_ok(), is_taken, "{body}");
        }
    }
}
