//! Signing in with a token, and out again.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use caravan_domain::access::Role;
use serde::Deserialize;

use super::assets;
use super::fault::Fault;
use super::form::Fields;
use super::visitor::{forgotten, is_of_ours, kept, secret_of};
use crate::access;
use crate::http::Site;
use crate::http::asking::{Asked, body_of};

/// Bytes of the form: a token and where to go.
const FORM_BYTES_MAX: usize = 8 << 10;

/// Where to go once signed in.
#[derive(Deserialize)]
pub(super) struct To {
    to: Option<String>,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page<'a> {
    version: &'static str,
    to: &'a str,
    refusal: Option<&'a str>,
}

/// `GET /sign-in`
pub(super) async fn ask(Asked(To { to }): Asked<To>) -> Result<Html<String>, Fault> {
    let to = place(to.as_deref());
    Ok(Html(Page { version: assets::version(), to, refusal: None }.render()?))
}

/// `POST /sign-in`
pub(super) async fn sign_in(State(site): State<Arc<Site>>, request: Request) -> Result<Response, Fault> {
    let platform = site.platform()?.clone();
    let ours = is_of_ours(request.headers());
    let fields = Fields::read(body_of(request, FORM_BYTES_MAX).await?).await?;
    let to = place(fields.text("to"));
    if !ours {
        return refuse(to, "this was not sent by the page you see; try again");
    }
    let token = fields.text("token").unwrap_or_default();
    let Some(caller) = site.tokens.caller(&platform, token).await? else {
        return refuse(to, "this token is not valid, or no more; make one with: caravan tokens create --role operate");
    };
    site.pace.admit(caller.token_id)?;
    if !caller.role.allows(Role::Read) {
        let refusal = "this token is a shop's: it hands in payments and sees nothing; make another with: caravan tokens create --role operate";
        return refuse(to, refusal);
    }
    let (_, secret) = access::sign_in(&platform, caller.token_id).await?;
    let mut response = Redirect::to(to).into_response();
    response.headers_mut().insert(header::SET_COOKIE, kept(&site, &secret));
    Ok(response)
}

/// `POST /sign-out`. Another site that could cause it would gain nothing.
pub(super) async fn sign_out(State(site): State<Arc<Site>>, headers: HeaderMap) -> Result<Response, Fault> {
    if let Some(secret) = secret_of(&headers) {
        access::sign_out(site.platform()?, secret).await?;
    }
    let mut response = Redirect::to("/sign-in").into_response();
    response.headers_mut().insert(header::SET_COOKIE, forgotten(&site));
    Ok(response)
}

fn refuse(to: &str, refusal: &str) -> Result<Response, Fault> {
    let page = Page { version: assets::version(), to, refusal: Some(refusal) };
    Ok((StatusCode::UNAUTHORIZED, Html(page.render()?)).into_response())
}

/// A page of ours: nobody is sent elsewhere by an address that somebody made up.
fn place(to: Option<&str>) -> &str {
    let is_ours = |to: &&str| to.starts_with('/') && !to.starts_with("//") && !to.contains(['\\', '\r', '\n']);
    to.filter(is_ours).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        for (to, goes) in [
            (None, "/"),
            (Some("/purchases?status=waitlisted"), "/purchases?status=waitlisted"),
            (Some("https://example.com"), "/"),
            (Some("//example.com"), "/"),
            (Some("/\\example.com"), "/"),
            (Some("/a\r\nset-cookie: b"), "/"),
            (Some(""), "/"),
        ] {
            assert_eq!(place(to), goes, "{to:?}");
        }
    }
}
