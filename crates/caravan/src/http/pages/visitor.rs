//! Who looks at a page: a browser that has signed in with a token.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use caravan_domain::access::Role;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::fault::Fault;
use super::words::zone_of;
use crate::access::{SIGNED_IN, digest_of, signed_in};
use crate::http::Site;
use crate::platform::Platform;

/// The cookie that holds a sign-in's secret.
const COOKIE: &str = "caravan_sign_in";
/// What is hashed with the secret to what every form must hand back.
const FORM_SALT: &str = "form:";

/// Who looks at a page.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    /// By which token.
    pub(super) token_id: Uuid,
    /// What their token is called.
    pub(super) name: String,
    /// What it allows.
    pub(super) role: Role,
    /// What their forms hand back; another site can't know it.
    pub(super) form_key: String,
    /// When they look.
    pub(super) now: Timestamp,
    /// The business's zone.
    pub(super) zone: TimeZone,
}

impl Visitor {
    /// Whether they may change things.
    pub(super) fn operates(&self) -> bool {
        self.role.allows(Role::Operate)
    }

    /// Whether they may say who else may do what.
    pub(super) fn administers(&self) -> bool {
        self.role.allows(Role::Admin)
    }
}

/// A visitor, and what they look at. Whoever is not signed in is sent to do so.
pub(super) struct Visit {
    pub(super) visitor: Visitor,
    pub(super) platform: Platform,
}

impl FromRequestParts<Arc<Site>> for Visit {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Fault> {
        let platform = site.platform()?.clone();
        let Some(secret) = secret_of(&parts.headers) else { return Err(Fault::sign_in(parts)) };
        let visitor = match visitor(site, &platform, secret).await? {
            Some(visitor) => visitor,
            None => return Err(Fault::sign_in(parts)),
        };
        Ok(Self { visitor, platform })
    }
}

/// Who holds this secret; nobody if it, or the token they signed in with, is not valid any more.
async fn visitor(site: &Site, platform: &Platform, secret: &str) -> Result<Option<Visitor>, Fault> {
    let Some(sign_in) = signed_in(platform, secret).await? else { return Ok(None) };
    let Some(caller) = site.tokens.holder(platform, sign_in.token_id).await? else { return Ok(None) };
    site.pace.admit(caller.token_id)?;
    if !caller.role.allows(Role::Read) {
        return Ok(None);
    }
    Ok(Some(Visitor {
        token_id: caller.token_id,
        name: caller.name.to_string(),
        role: caller.role,
        form_key: form_key(secret),
        now: platform.clock.now(),
        zone: zone_of(&site.options.time_zone),
    }))
}

/// What the forms of whoever has this secret hand back.
fn form_key(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest_of(&format!("{FORM_SALT}{secret}")))
}

/// The secret that a browser sends along.
pub(super) fn secret_of(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, COOKIE)
}

/// A cookie's value (RFC 6265 section 5.4).
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// The cookie of a browser that has signed in; kept from scripts, and from requests that other sites make.
pub(super) fn kept(site: &Site, secret: &str) -> HeaderValue {
    told(site, secret, SIGNED_IN.as_secs())
}

/// The cookie of a browser that has signed out.
pub(super) fn forgotten(site: &Site) -> HeaderValue {
    told(site, "", 0)
}

fn told(site: &Site, secret: &str, seconds: u64) -> HeaderValue {
    // A cookie that is only sent over TLS would never come back to a site without it.
    let secure =
        if site.options.public_url.as_deref().is_some_and(|url| url.starts_with("https://")) { "; Secure" } else { "" };
    let line = format!("{COOKIE}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    // Secrets are of letters and digits.
    HeaderValue::from_str(&line).unwrap_or(HeaderValue::from_static(""))
}

/// Whether a request that changes something was made by one of our own pages, as far as the browser tells
/// (Fetch Metadata, `Sec-Fetch-Site`).
pub(super) fn is_of_ours(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none")
}

/// What a visitor may not do.
pub(super) fn may_not(visitor: &Visitor) -> Fault {
    let detail = format!(
        "{} may look and change nothing: its role is {}. Sign in with a token of the role operate to do this.",
        visitor.name, visitor.role
    );
    Fault::new(StatusCode::FORBIDDEN, "This is not yours to change", detail)
}

/// What only those may do who say who else may do what.
pub(super) fn may_not_administer(visitor: &Visitor) -> Fault {
    let detail = format!(
        "who may come in is for admins to say: the role of {} is {}. Sign in with a token of the role admin to do this.",
        visitor.name, visitor.role
    );
    Fault::new(StatusCode::FORBIDDEN, "This is not yours to see", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others() {
        for (lines, value) in [
            (&["caravan_sign_in=abc"][..], Some("abc")),
            (&["a=1; caravan_sign_in=abc;b=2"], Some("abc")),
            (&["a=1", "caravan_sign_in=abc"], Some("abc")),
            (&["xcaravan_sign_in=abc; caravan_sign_in"], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::COOKIE, HeaderValue::from_static(line));
            }
            assert_eq!(secret_of(&headers), value, "{lines:?}");
        }
    }

    #[test]
    fn what_forms_hand_back_does_not_tell_the_secret() {
        let key = form_key("secret");
        assert!(!key.contains("secret") && key != form_key("another"));
    }
}
