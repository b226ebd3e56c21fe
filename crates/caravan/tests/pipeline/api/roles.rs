//! Who may do what.

use caravan::access::{create_token, revoke_token};
use caravan::http::Options;
use caravan_domain::access::Role;
use serde_json::json;

use super::{Api, confirmation, wish};
use crate::house::House;

/// Everything that needs a token: method, path, and the roles that will do beside `admin`.
const GUARDED: [(&str, &str, &[Role]); 19] = [
    ("POST", "/v1/purchase-confirmations", &[Role::Ingest]),
    ("POST", "/v1/orders", &[Role::Ingest]),
    ("GET", "/v1/orders/ord_1", &[Role::Ingest, Role::Read, Role::Operate]),
    ("GET", "/v1/purchases", &[Role::Read, Role::Operate]),
    ("GET", "/v1/purchases/00000000-0000-4000-8000-000000000000", &[Role::Read, Role::Operate]),
    ("GET", "/v1/purchases/00000000-0000-4000-8000-000000000000/sessions", &[Role::Read, Role::Operate]),
    ("GET", "/v1/students/stu_118/purchases", &[Role::Read, Role::Operate]),
    ("GET", "/v1/students/stu_118/calendar.ics", &[Role::Read, Role::Operate]),
    ("GET", "/v1/sessions", &[Role::Read, Role::Operate]),
    ("GET", "/v1/trainers", &[Role::Read, Role::Operate]),
    ("GET", "/v1/trainers/trn_7/sessions", &[Role::Read, Role::Operate]),
    ("GET", "/v1/trainers/trn_7/calendar.ics", &[Role::Read, Role::Operate]),
    ("GET", "/v1/dead-letters", &[Role::Read, Role::Operate]),
    ("GET", "/v1/dead-letters/1", &[Role::Read, Role::Operate]),
    ("GET", "/v1/groups", &[Role::Read, Role::Operate]),
    ("POST", "/v1/dead-letters/1/redrive", &[Role::Operate]),
    ("PUT", "/v1/trainers/trn_7", &[Role::Operate]),
    ("POST", "/v1/trainers/trn_7/calendar", &[Role::Operate]),
    ("GET", "/v1/calendars", &[Role::Operate]),
];

#[tokio::test]
async fn a_token_is_valid_as_soon_as_it_is_made() {
    let api = Api::new().await;
    let ask = async |token: &str| {
        let answer = api.get("/v1/purchases").header("authorization", format!("Bearer {token}")).send().await;
        answer.status
    };
    for name in ["one", "another"] {
        assert_eq!(ask("caravan_nonsense").await, 401);
        let (_, token) = create_token(&api.house.platform, name, Role::Read).await.unwrap();
        assert_eq!(ask(&token).await, 200);
    }
    api.end(&[]).await;
}

#[tokio::test]
async fn everything_but_health_and_webhooks_needs_a_token_of_its_role() {
    let api = Api::new().await;
    for (method, path, roles) in GUARDED {
        let ask = || match method {
            "POST" => api.post(path).json(&json!({})),
            "PUT" => api.put(path).json(&json!({})),
            _ => api.get(path),
        };
        let answer = ask().send().await;
        assert!(answer.problem(401).contains("caravan tokens create"), "{method} {path}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        for wrong in ["Bearer caravan_nonsense", "Basic YTpi", "Bearer", "caravan_x"] {
            ask().header("authorization", wrong).send().await.problem(401);
        }
        for role in Role::ALL {
            let status = ask().by(role).send().await.status;
            let allowed = role == Role::Admin || roles.contains(&role);
            assert_eq!(status != 403, allowed, "{method} {path} by {role}: {status}");
            assert_ne!(status, 401, "{method} {path} by {role}");
        }
    }
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs/"] {
        assert!(matches!(api.get(path).send().await.status, 200 | 503), "{path}");
    }
    api.house.run().await;
    api.end(&[]).await;
}

#[tokio::test]
async fn a_revoked_token_is_worth_nothing_within_seconds() {
    let api = Api::new().await;
    let (token, secret) = create_token(&api.house.platform, "shop", Role::Read).await.unwrap();
    let ask = || api.get("/v1/groups").header("authorization", format!("Bearer {secret}")).send();
    ask().await.with(200);
    revoke_token(&api.house.platform, token.id).await.unwrap();
    let begun = std::time::Instant::now();
    while ask().await.status == 200 {
        assert!(begun.elapsed().as_secs() < 10, "it is still valid");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    ask().await.problem(401);
    api.house.run().await;
    api.end(&[]).await;
}

#[tokio::test]
async fn a_token_may_make_so_many_requests_a_minute() {
    let options = Options { requests_per_minute_max: 5, ..Options::default() };
    let api = Api::with(House::new().await, options).await;
    for _ in 0..5 {
        api.read("/v1/purchases").await;
    }
    let refused = api.get("/v1/purchases").by(Role::Read).send().await;
    assert!(refused.problem(429).contains("5 requests a minute"));
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    api.get("/v1/purchases").by(Role::Admin).send().await.with(200);
    api.house.run().await;
    api.end(&[]).await;
}

#[tokio::test]
async fn every_answer_is_safe_to_show_and_nothing_is_kept_by_browsers() {
    let api = Api::new().await;
    for path in ["/v1/purchases", "/nowhere", "/healthz", "/docs/"] {
        let answer = api.get(path).by(Role::Read).send().await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.header(name), value, "{path} {name}");
        }
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'"), "{path}");
    }
    assert!(api.get("/nowhere").send().await.problem(404).contains("/docs"));
    let wrong = api.delete("/v1/purchases").by(Role::Admin).send().await;
    wrong.problem(405);
    assert_eq!(wrong.header("allow"), "GET,HEAD");
    api.house.run().await;
    api.end(&[]).await;
}

#[tokio::test]
async fn who_may_only_read_makes_nothing() {
    let api = Api::new().await;
    api.post("/v1/purchase-confirmations").by(Role::Operate).json(&confirmation("pay_1")).send().await.problem(403);
    let refusal = api.post("/v1/orders").by(Role::Read).json(&wish()).send().await.problem(403);
    assert!(refusal.contains("the role ingest") && refusal.contains("the role read"), "{refusal}");
    api.house.run().await;
    assert_eq!(api.house.purchases().await.len(), 0);
    api.end(&[]).await;
}
