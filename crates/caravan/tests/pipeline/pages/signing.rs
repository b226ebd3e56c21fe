//! Who gets in, who may do what, and what another site can't do in anybody's name.

use std::time::{Duration, Instant};

use caravan::access::{create_token, revoke_token};
use caravan_domain::access::Role;
use caravan_domain::ids::purchase_id;
use serde_json::json;

use super::browser::Browser;
use super::school::school;
use super::visitor::{Visitor, signing_in};
use super::{served, signed_in};
use crate::house::House;

/// By then a token that was revoked is not valid any more, however slow the machine is.
const REVOKED_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_signed_in_does_so_and_comes_back_to_where_they_wanted() {
    let api = served(House::new().await).await;
    let browser = Browser::at(&api.address()).await;
    browser.open("/purchases?status=waitlisted").await;
    assert!(browser.place().await.starts_with("/sign-in?to="), "{}", browser.place().await);
    browser.check_accessibility().await;

    browser.fill("API token", "caravan_nonsense").await;
    browser.click("Sign in").await;
    browser.sees("this token is not valid").await;
    browser.check_accessibility().await;

    browser.fill("API token", api.token(Role::Read)).await;
    browser.click("Sign in").await;
    browser.sees("Sign out").await;
    assert_eq!(
        (browser.place().await.as_str(), browser.heading().await.as_str()),
        ("/purchases?status=waitlisted", "Purchases")
    );

    browser.click("Sign out").await;
    browser.sees("API token").await;
    browser.open("/").await;
    assert!(browser.place().await.starts_with("/sign-in"), "{}", browser.place().await);
    api.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_is_kept_from_scripts_and_from_requests_of_other_sites() {
    let api = served(House::new().await).await;
    let answer = signing_in(&api, api.token(Role::Read), "/").await;
    let cookie = answer.header("set-cookie");
    let said: Vec<&str> = cookie.split("; ").skip(1).collect();
    assert_eq!(said, ["Path=/", "Max-Age=43200", "HttpOnly", "SameSite=Lax"], "{cookie}");
    assert!(!cookie.contains(api.token(Role::Read)), "the token itself is not handed to the browser");
    api.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shops_token_opens_no_page() {
    let api = served(House::new().await).await;
    let answer = signing_in(&api, api.token(Role::Ingest), "/").await;
    assert_eq!((answer.status, answer.header("set-cookie")), (401, ""));
    assert!(answer.text.contains("it hands in payments and sees nothing"), "{}", answer.text);
    api.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_ends_when_somebody_signs_out_and_the_others_go_on() {
    let api = served(House::new().await).await;
    let (one, other) =
        (Visitor::with(&api, api.token(Role::Read)).await, Visitor::with(&api, api.token(Role::Read)).await);
    assert_eq!((one.get("/").await.status, other.get("/").await.status), (200, 200));
    let answer = one.post_bare("/sign-out", &[]).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/sign-in"));
    assert!(answer.header("set-cookie").contains("Max-Age=0"), "{}", answer.header("set-cookie"));
    // Even if the browser kept the cookie.
    assert_eq!((one.get("/").await.status, other.get("/").await.status), (303, 200));
    api.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_ends_after_twelve_hours() {
    let api = served(House::new().await).await;
    let visitor = Visitor::with(&api, api.token(Role::Read)).await;
    api.house.set_clock("2026-11-23T21:59:59Z");
    assert_eq!(visitor.get("/").await.status, 200);
    api.house.set_clock("2026-11-23T22:00:00Z");
    assert_eq!(visitor.get("/").await.status, 303);
    api.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_ends_with_the_token_it_was_made_with() {
    let api = served(House::new().await).await;
    let (token, secret) = create_token(&api.house.platform, "leaving", Role::Operate).await.unwrap();
    let (leaving, staying) = (Visitor::with(&api, &secret).await, Visitor::with(&api, api.token(Role::Operate)).await);
    assert_eq!(leaving.get("/").await.status, 200);
    revoke_token(&api.house.platform, token.id).await.unwrap();
    let revoked = Instant::now();
    while leaving.get("/").await.status != 303 {
        assert!(revoked.elapsed() < REVOKED_WITHIN, "it is valid for ever");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(staying.get("/").await.status, 200);
    api.end(&[]).await;
}

/// The fields of a form and one more.
fn with<'a>(fields: &'a [(&'static str, String)], name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let fields = fields.iter().map(|(name, value)| (*name, value.as_str()));
    fields.chain([(name, value)]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_changes_anything_by_what_is_no_form_of_theirs() {
    let school = school().await;
    let api = &school.api;
    let visitor = Visitor::with(api, api.token(Role::Operate)).await;
    let another = Visitor::with(api, api.token(Role::Operate)).await;
    for (path, fields) in school.forms() {
        let keys = [("form_key", another.form_key()), ("form_key", String::new()), ("key", visitor.form_key())];
        for (name, key) in keys {
            let sent = with(&fields, name, &key);
            let answer = visitor.post_bare(&path, &sent).await;
            assert_eq!(answer.status, 403, "{path}: {}", answer.text);
            assert!(answer.text.contains("This form is not valid"), "{path}: {}", answer.text);
        }
        // A browser tells when another site has made it send something.
        let key = visitor.form_key();
        let sent = with(&fields, "form_key", &key);
        let request = api.post(&path).header("cookie", &visitor.cookie).header("sec-fetch-site", "cross-site");
        assert_eq!(request.form(&sent).send().await.status, 403, "{path}");
        // And JSON is no form, whoever sends it.
        let request = api.post(&path).header("cookie", &visitor.cookie);
        assert_eq!(request.json(&serde_json::json!({ "form_key": key })).send().await.status, 403, "{path}");
    }
    school.is_unchanged().await;
    school.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_only_look_is_shown_no_button_that_changes_something_and_has_none() {
    let school = school().await;
    let api = &school.api;
    let reader = Visitor::with(api, api.token(Role::Read)).await;
    for (path, _) in school.pages() {
        let page = reader.get(&path).await;
        if page.status == 403 {
            continue;
        }
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        let posts = page.text.matches("method=\"post\"").count();
        assert_eq!(posts, 1, "{path}: nothing but signing out is sent");
        assert!(!page.text.contains("name=\"form_key\""), "{path}");
    }
    for (path, fields) in school.forms() {
        let answer = reader.post_bare(&path, &with(&fields, "form_key", &reader.form_key())).await;
        assert_eq!(answer.status, 403, "{path}: {}", answer.text);
        assert!(answer.text.contains("its role is read"), "{path}: {}", answer.text);
    }
    school.is_unchanged().await;
    school.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_admin_says_who_may_come_in() {
    let api = served(House::new().await).await;
    let before = api.house.platform.store.tokens().await.unwrap().len();
    let operator = Visitor::with(&api, api.token(Role::Operate)).await;
    let theirs = operator.get("/system").await.text;
    assert!(!theirs.contains("href=\"/tokens\""), "{theirs}");
    let made = [("name", "mine"), ("role", "admin")];
    let revoked = [("revoke", "00000000-0000-0000-0000-000000000001")];
    for answer in
        [operator.get("/tokens").await, operator.post("/tokens", &made).await, operator.post("/tokens", &revoked).await]
    {
        assert_eq!(answer.status, 403, "{}", answer.text);
        assert!(answer.text.contains("is for admins to say: the role of operate is operate"), "{}", answer.text);
    }
    assert_eq!(api.house.platform.store.tokens().await.unwrap().len(), before);
    api.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_made_shown_once_and_revoked() {
    let api = served(House::new().await).await;
    let browser = signed_in(&api, Role::Admin).await;
    browser.click("System").await;
    browser.click("API tokens").await;
    browser.sees("admin admin").await;
    browser.sees("you are signed in with it").await;
    browser.fill("Who holds it", "the shop").await;
    browser.tick("ingest").await;
    browser.click("Make a token").await;
    browser.sees("It is shown this once").await;
    browser.check_accessibility().await;
    let secret = browser.filled("API token").await;
    let order =
        || api.post("/v1/purchase-confirmations").header("authorization", format!("Bearer {secret}")).json(&json!({}));
    assert_eq!(order().send().await.status, 422, "it may come in, with something else");

    browser.open("/tokens").await;
    browser.sees("the shop ingest").await;
    browser.does_not_see("It is shown this once").await;
    browser.click("Revoke the token of the shop").await;
    browser.sees("Nobody comes in with it any more").await;
    browser.does_not_see("the shop ingest").await;
    let revoked = Instant::now();
    while order().send().await.status != 401 {
        assert!(revoked.elapsed() < REVOKED_WITHIN, "it is valid for ever");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    api.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_locks_themselves_out() {
    let api = served(House::new().await).await;
    let visitor = Visitor::with(&api, api.token(Role::Admin)).await;
    let tokens = api.house.platform.store.tokens().await.unwrap();
    let own = tokens.iter().find(|token| token.role == Role::Admin).unwrap().id.to_string();
    let sent = visitor.post("/tokens", &[("revoke", &own)]).await;
    assert_eq!((sent.status, sent.header("location")), (303, "/tokens"), "{}", sent.text);
    assert_eq!(api.house.platform.store.tokens().await.unwrap(), tokens);
    assert_eq!(visitor.post("/tokens", &[("revoke", "nobody's")]).await.status, 404);
    api.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_allows_nothing_but_what_comes_with_it() {
    let school = school().await;
    let visitor = Visitor::with(&school.api, school.api.token(Role::Admin)).await;
    let missing = format!("/purchases/{}", purchase_id("nobody", None));
    let pages = school.pages().into_iter().map(|(path, _)| path);
    for path in pages.chain([missing, "/sign-in".to_owned()]) {
        let page = visitor.get(&path).await;
        let policy = page.header("content-security-policy");
        for wanted in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.split("; ").any(|said| said == wanted), "{path}: {policy}");
        }
        assert!(!policy.contains("-inline") && !policy.contains("-eval"), "{path}: {policy}");
        // It would be asked for in vain.
        for inline in [" style=\"", "<style", "<script>", " onclick=", "http://", "javascript:"] {
            assert!(!page.text.contains(inline), "{path} has {inline:?}");
        }
    }
    school.end().await;
}
