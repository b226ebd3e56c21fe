//! Calendars to subscribe to.

use caravan_domain::access::Role;

use super::{Api, confirmation, ravi};
use crate::house::House;

/// The path and query of an address.
fn path(url: &str) -> String {
    url[url.find("/v1/").unwrap()..].to_owned()
}

async fn taught() -> Api {
    let api = Api::of(House::with(&[ravi()]).await).await;
    api.house.pay(&[confirmation("pay_1")]).await;
    api.house.run().await;
    api
}

#[tokio::test]
async fn whoever_has_its_address_sees_a_calendar_until_it_is_revoked() {
    let api = taught().await;
    for whose in ["trainers/trn_7", "students/stu_118"] {
        let made = api.post(&format!("/v1/{whose}/calendar")).by(Role::Operate).send().await.with(201);
        let url = made["url"].as_str().unwrap();
        assert!(url.starts_with(&format!("http://{}/v1/{whose}/calendar.ics?key=", api.address())), "{url}");
        let shown = api.get(&path(url)).send().await;
        assert_eq!((shown.status, shown.header("content-type")), (200, "text/calendar; charset=utf-8"));
        assert_eq!(shown.text.matches("BEGIN:VEVENT").count(), 4, "{}", shown.text);
        let again = api.get(&path(url)).header("if-none-match", shown.header("etag")).send().await;
        assert_eq!((again.status, again.text.as_str()), (304, ""));
        // The secret of one is none of another.
        let key = url.split("key=").nth(1).unwrap();
        let other = if whose.starts_with("trainers") { "students/stu_118" } else { "trainers/trn_7" };
        api.get(&format!("/v1/{other}/calendar.ics?key={key}")).send().await.problem(404);
        let id = made["calendar_id"].as_str().unwrap();
        assert_eq!(api.delete(&format!("/v1/calendars/{id}")).by(Role::Operate).send().await.status, 204);
        api.get(&path(url)).send().await.problem(404);
        assert_eq!(api.get(&format!("/v1/{whose}/calendar.ics")).by(Role::Read).send().await.status, 200);
    }
    let listed = api.get("/v1/calendars").by(Role::Operate).send().await.with(200);
    let listed = listed["calendars"].as_array().unwrap();
    assert!(listed.len() == 2 && listed.iter().all(|feed| feed["revoked_at"].is_string() && feed.get("url").is_none()));
    api.end(&[]).await;
}

#[tokio::test]
async fn nobody_unknown_has_a_calendar() {
    let api = Api::new().await;
    for path in ["/v1/trainers/x/calendar", "/v1/students/x/calendar"] {
        api.post(path).by(Role::Operate).send().await.problem(404);
    }
    for path in ["/v1/trainers/x/calendar.ics", "/v1/students/x/calendar.ics"] {
        api.get(path).by(Role::Read).send().await.problem(404);
        api.get(&format!("{path}?key=x")).send().await.problem(404);
    }
    api.delete("/v1/calendars/00000000-0000-4000-8000-000000000000").by(Role::Operate).send().await.problem(404);
    api.delete("/v1/calendars/x").by(Role::Operate).send().await.problem(404);
    api.house.run().await;
    api.end(&[]).await;
}
