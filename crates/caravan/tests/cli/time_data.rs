//! Other time zone data than plans were laid out with.

use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::Place;

fn execute(place: &Place, sql: &str) {
    let options = SqliteConnectOptions::new().filename(place.path("caravan-data/caravan.db"));
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut connection = options.connect().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
}

#[test]
fn nothing_that_lays_out_plans_runs_while_other_data_would_move_them() {
    let place = Place::with_examples();
    let version = place.run(&["--version"]).ok();
    let bundled = version.lines().find_map(|line| line.strip_prefix("time zone data ")).expect("its version is told");
    assert!(place.run(&["doctor"]).ok().contains(&format!("{bundled}, as plans were laid out with")));
    assert!(place.run(&["time-data", "list"]).ok().contains("no session would move"));

    execute(&place, "UPDATE time_data SET version = '2001a'");
    let doctor = place.run(&["doctor"]).ok();
    assert!(doctor.contains("plans were laid out with 2001a") && doctor.contains("caravan time-data list"), "{doctor}");
    let ran = place.run(&["run", "--until-idle"]);
    assert!(ran.err.contains(&format!("time zone data {bundled} instead of 2001a: no session moves")), "{}", ran.err);
    ran.ok();

    execute(
        &place,
        "UPDATE time_data SET version = '2001a';
         UPDATE confirmations SET confirmation = replace(confirmation, 'Asia/Kolkata', 'Asia/Dubai')
         WHERE seq = (SELECT seq FROM purchases WHERE payment_id = 'pay_ex_01')",
    );
    let before = place.run(&["sessions", "list", "--json"]).ok();
    for command in [
        &["run", "--until-idle"][..],
        &["sessions", "extend", "--as-of", "2027-03-01"],
        &["purchases", "cancel", "pay_ex_01", "--reason", "x"],
    ] {
        let refusal = place.run(command).failed(1);
        assert!(refusal.contains("of 1 purchase that were planned with 2001a"), "{command:?}: {refusal}");
        assert!(refusal.contains("caravan time-data list"), "{refusal}");
    }
    assert_eq!(place.run(&["sessions", "list", "--json"]).ok(), before);
    let mut rows = place.run(&["time-data", "list", "--json"]).json_lines();
    let summary = rows.pop().unwrap()["summary"].take();
    assert_eq!((&summary["recorded"], &summary["bundled"]), (&json!("2001a"), &json!(bundled)));
    assert_eq!((&summary["sessions"], &summary["purchases"]), (&json!(rows.len()), &json!(1)));
    assert_eq!(
        (&rows[0]["starts_at"], &rows[0]["would_start_at"]),
        (&json!("2027-02-02T11:30:00Z"), &json!("2027-02-02T13:00:00Z"))
    );
    let shown = place.run(&["time-data", "list"]).ok();
    assert!(
        shown.contains("planned with  2001a") && shown.contains("of 1 purchase would move; nothing has changed"),
        "{shown}"
    );

    // It is moved, and then everything goes on.
    let plan = place.run(&["time-data", "apply", "--plan"]).ok();
    let all = rows.len();
    assert!(plan.contains(&format!("{all} sessions keep their local time, nothing is left to a person")), "{plan}");
    assert!(plan.contains("nothing was changed"), "{plan}");
    assert_eq!(place.run(&["time-data", "list", "--json"]).json_lines().len(), all + 1);
    let usage = place.run(&["time-data", "apply"]).failed(2);
    assert!(usage.contains("--reason"), "{usage}");
    let done =
        place.run(&["time-data", "apply", "--reason", "one zone from now on", "--by", "ann", "--json"]).json_lines();
    assert_eq!(done.len(), all);
    assert_eq!((&done[0]["remedy"], &done[0]["session_id"]), (&json!("moves"), &rows[0]["session_id"]));
    let again = place.run(&["time-data", "apply", "--reason", "one zone from now on"]).ok();
    assert!(again.contains("no session is displaced"), "{again}");
    place.run(&["run", "--until-idle"]).ok();
    place.run(&["audit"]).ok();
    let shown = place.run(&["purchases", "show", "pay_ex_01"]).ok();
    assert!(shown.contains("one zone from now on") && shown.contains("ann"), "{shown}");
}
