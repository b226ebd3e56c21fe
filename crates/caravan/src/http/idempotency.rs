//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): the same request twice is one effect and one answer.
//!
//! The first answer is kept in the transaction of the effect, for [`ANSWERS_KEPT`]. A payment is the same purchase however often it
//! is reported, so nothing is lost when an answer is forgotten; it is for orders that a key matters.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use utoipa::IntoParams;

use super::Site;
use super::guard::in_json;
use super::problem::Problem;
use super::tokens::Caller;
use crate::platform::Platform;
use crate::platform::desk::{ANSWERS_KEPT, Answer, AnswerKey, Digest};

/// Characters of a key.
const KEY_CHARS_MAX: usize = 255;
/// The header it comes in.
pub(super) const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Said with an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The header, for the interface's document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes what key_of reads")]
pub(super) struct KeyHeader {
    /// The same key and body again gets the first answer again, for 24 hours.
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 255,
        pattern = r#"^([!#-~][ -~]*|"[ !#-\[\]-~]+" *)$"#
    )]
    key: Option<String>,
}

/// The keys of requests that are being answered by this process.
#[derive(Default)]
pub(super) struct UnderWay(Mutex<HashSet<AnswerKey>>);

impl UnderWay {
    fn keys(&self) -> MutexGuard<'_, HashSet<AnswerKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being answered under a key; until it is dropped, no other is.
pub(super) struct Attempt<'a> {
    key: AnswerKey,
    request: Digest,
    under_way: &'a UnderWay,
}

impl Attempt<'_> {
    /// The answer to keep.
    pub(super) fn answer(&self, status: StatusCode, body: &str, at: Timestamp) -> Answer {
        let (key, body) = (self.key.clone(), body.to_owned());
        Answer { key, request: self.request, status: status.as_u16(), body, at }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.under_way.keys().remove(&self.key);
    }
}

/// What a request with or without a key comes to before it is looked at.
pub(super) enum Begun<'a> {
    /// It is to be answered; with a key, the answer is to be kept.
    New(Option<Attempt<'a>>),
    /// It was answered before.
    Answered(Response),
}

/// Looks whether a request was answered before.
///
/// # Errors
/// If its key is none, belongs to another request, or is being answered right now.
pub(super) async fn begin<'a>(
    site: &'a Site,
    caller: Caller,
    headers: &HeaderMap,
    request: (&Method, &str, &[u8]),
) -> Result<Begun<'a>, Problem> {
    let Some(key) = key_of(headers)? else { return Ok(Begun::New(None)) };
    let key = AnswerKey { token_id: caller.token_id, key };
    if !site.under_way.keys().insert(key.clone()) {
        let detail = "a request with this Idempotency-Key is being answered right now; try again in a moment";
        return Err(Problem::conflict(detail).with(header::RETRY_AFTER, HeaderValue::from_static("1")));
    }
    let attempt = Attempt { key, request: digest_of(request), under_way: &site.under_way };
    match answered(site.platform()?, &attempt).await? {
        Some(answer) => Ok(Begun::Answered(answer)),
        None => Ok(Begun::New(Some(attempt))),
    }
}

/// The answer that was given before.
///
/// # Errors
/// If it was given to another request.
pub(super) async fn answered(platform: &Platform, attempt: &Attempt<'_>) -> Result<Option<Response>, Problem> {
    let kept = platform.store.answers(std::slice::from_ref(&attempt.key)).await?;
    let forgotten = platform.clock.now().saturating_sub(ANSWERS_KEPT).unwrap_or(Timestamp::MIN);
    let Some(kept) = kept.into_iter().find(|kept| kept.at > forgotten) else { return Ok(None) };
    if kept.request != attempt.request {
        let detail = "this Idempotency-Key was used for another request; every request needs a key of its own";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused", detail));
    }
    let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    let mut response = reply(status, kept.body);
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(Some(response))
}

/// What of an answer says where what it is about is.
#[derive(Deserialize)]
struct Placed<'a> {
    #[serde(borrow)]
    href: Cow<'a, str>,
}

/// An answer as it is sent; what it is about is where its `href` says.
pub(super) fn reply(status: StatusCode, body: String) -> Response {
    let told: Option<Placed<'_>> = serde_json::from_str(&body).ok();
    let place = told.and_then(|told| HeaderValue::from_str(&told.href).ok());
    let mut response = in_json(status, body);
    if let Some(place) = place {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

/// The key of a request: a structured field string (RFC 9651 section 3.3.3), or the same without its quotes.
fn key_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut given = headers.get_all(HEADER).iter();
    let Some(value) = given.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|_| given.next().is_none()).map(str::trim);
    text.and_then(unquoted).map(Some).ok_or_else(|| {
        Problem::bad_request(format!(
            "Idempotency-Key must be one text of 1 to {KEY_CHARS_MAX} printable ASCII characters, such as \"8e03978e-40d5-43dd-bc93-6894a57f9324\""
        ))
    })
}

fn unquoted(text: &str) -> Option<String> {
    let key = match text.strip_prefix('"') {
        Some(rest) => {
            let inner = rest.strip_suffix('"')?;
            let (mut key, mut escaped) = (String::with_capacity(inner.len()), false);
            for char in inner.chars() {
                match (escaped, char) {
                    (false, '\\') => escaped = true,
                    (false, '"') => return None,
                    (true, char) if !matches!(char, '\\' | '"') => return None,
                    (_, char) => {
                        key.push(char);
                        escaped = false;
                    }
                }
            }
            if escaped {
                return None;
            }
            key
        }
        None => text.to_owned(),
    };
    let fits = (1..=KEY_CHARS_MAX).contains(&key.len()) && key.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    fits.then_some(key)
}

fn digest_of((method, path, body): (&Method, &str, &[u8])) -> Digest {
    let mut hash = Sha256::new();
    for part in [method.as_str().as_bytes(), b" ", path.as_bytes(), b"\n", body] {
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_the_same_with_and_without_quotes() {
        let long = "k".repeat(255);
        for (text, key) in [
            ("abc", Some("abc")),
            ("\"abc\"", Some("abc")),
            (r#""a\"b\\c""#, Some(r#"a"b\c"#)),
            (long.as_str(), Some(long.as_str())),
            ("", None),
            ("\"\"", None),
            ("\"abc", None),
            ("\"a\"b\"", None),
            ("\"a\\", None),
            ("\"a\\\"", None),
            (&format!("{long}k"), None),
        ] {
            assert_eq!(unquoted(text).as_deref(), key, "{text:?}");
        }
    }

    #[test]
    fn a_request_is_its_method_its_path_and_its_body() {
        let one = (&Method::POST, "/v1/orders", b"{}".as_slice());
        assert_eq!(digest_of(one), digest_of(one));
        for other in [(&Method::PUT, one.1, one.2), (one.0, "/v1/order", one.2), (one.0, one.1, b"{ }".as_slice())] {
            assert_ne!(digest_of(one), digest_of(other));
        }
    }

    proptest! {
        #[test]
        fn no_text_whatsoever_makes_it_panic(text: String) {
            let _ = unquoted(&text);
        }
    }
}
