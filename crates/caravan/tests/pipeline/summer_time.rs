//! A session keeps its local time in the student's zone over changes of the clocks.

use serde_json::json;

use crate::house::House;
use crate::sample::{payment, trainer};

/// The starts in UTC of a weekly plan of `starts.len()` lessons.
async fn starts(zone: &str, start_date: &str, (weekday, at): (&str, &str), sessions: usize) -> Vec<String> {
    let house = House::with(&[trainer("trn_1", json!({ "time_zone": "UTC" }))]).await;
    let slots = json!([{ "weekday": weekday, "at": at }]);
    let plan = json!({ "start_date": start_date, "sessions": sessions, "per_week": 1, "slots": slots });
    house.pay(&[payment("pay_1", json!({ "student": { "time_zone": zone }, "plan": plan }))]).await;
    house.run().await;
    house.nothing_is_left_over(&[]).await;
    let sessions = house.sessions("pay_1").await;
    let start = start_date.parse::<jiff::civil::Date>().unwrap();
    for (weeks, session) in (0..).zip(&sessions) {
        assert_eq!(session.local_date, start + jiff::Span::new().weeks(weeks), "the planned date stays");
        assert_eq!(session.ends_at.as_second() - session.starts_at.as_second(), 3600, "an hour stays an hour");
    }
    sessions.iter().map(|session| session.starts_at.strftime("%m-%d %H:%MZ").to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_local_time_stays() {
    assert_eq!(
        starts("Europe/Berlin", "2027-03-16", ("tue", "17:00"), 4).await,
        ["03-16 16:00Z", "03-23 16:00Z", "03-30 15:00Z", "04-06 15:00Z"]
    );
    assert_eq!(
        starts("America/New_York", "2027-10-26", ("tue", "17:00"), 4).await,
        ["10-26 21:00Z", "11-02 21:00Z", "11-09 22:00Z", "11-16 22:00Z"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_time_that_is_skipped_moves_forward_by_the_gap() {
    assert_eq!(
        starts("Europe/Berlin", "2027-03-14", ("sun", "02:30"), 4).await,
        ["03-14 01:30Z", "03-21 01:30Z", "03-28 01:30Z", "04-04 00:30Z"]
    );
    assert_eq!(
        starts("America/New_York", "2027-03-07", ("sun", "02:30"), 3).await,
        ["03-07 07:30Z", "03-14 07:30Z", "03-21 06:30Z"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_time_that_occurs_twice_is_the_earlier() {
    assert_eq!(
        starts("Europe/Berlin", "2027-10-24", ("sun", "02:30"), 3).await,
        ["10-24 00:30Z", "10-31 00:30Z", "11-07 01:30Z"]
    );
    assert_eq!(
        starts("America/New_York", "2027-10-31", ("sun", "01:30"), 3).await,
        ["10-31 05:30Z", "11-07 05:30Z", "11-14 06:30Z"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trainer_whose_clocks_change_at_another_time_must_be_available_in_every_week() {
    let lunch = json!({ "time_zone": "America/New_York", "availability": [{ "weekday": "tue", "from": "11:00", "until": "12:00" }] });
    // Between the changes in New York and in Berlin 17:00 there is 12:00 here.
    for (sessions, placed) in [(2, true), (3, false)] {
        let house = House::with(&[trainer("trn_1", lunch.clone())]).await;
        let plan = json!({ "start_date": "2027-03-02", "sessions": sessions, "per_week": 1 });
        house.pay(&[payment("pay_1", json!({ "student": { "time_zone": "Europe/Berlin" }, "plan": plan }))]).await;
        house.run().await;
        assert_eq!(house.teacher("pay_1").await != "waitlisted", placed, "{sessions} sessions");
        house.nothing_is_left_over(&[]).await;
    }
}
