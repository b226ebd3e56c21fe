use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::plan::Weekday;

/// The example of the contract.
const EXAMPLE: &str = r#"{ "trainer_id": "trn_7", "name": "Ravi", "email": "ravi@example.com",
  "time_zone": "Asia/Kolkata", "languages": ["en", "ta"],
  "courses": [ { "subject": "python", "levels": ["beginner", "intermediate"] } ],
  "availability": [ { "weekday": "tue", "from": "15:00", "until": "21:00" } ],
  "time_off": [ { "from": "2026-12-24", "until": "2026-12-26" } ],
  "max_sessions_per_week": 20, "weight": 100, "active": true }"#;

/// The same in CSV.
const EXAMPLE_CELLS: [&str; 11] = [
    "trn_7",
    "Ravi",
    "ravi@example.com",
    "Asia/Kolkata",
    "en;ta",
    "python:beginner|intermediate",
    "tue 15:00-21:00",
    "2026-12-24..2026-12-26",
    "20",
    "100",
    "true",
];

fn time(text: &str) -> TimeOfDay {
    text.parse().unwrap()
}

fn ravi() -> Trainer {
    Trainer {
        trainer_id: "trn_7".into(),
        name: Some("Ravi".into()),
        email: Some("ravi@example.com".into()),
        time_zone: "Asia/Kolkata".into(),
        languages: vec!["en".into(), "ta".into()],
        courses: vec![TaughtCourse {
            subject: "python".into(),
            levels: vec!["beginner".into(), "intermediate".into()],
        }],
        availability: vec![AvailableRange { weekday: Weekday::Tue, from: time("15:00"), until: time("21:00") }],
        time_off: vec![DaysOff { from: date(2026, 12, 24), until: date(2026, 12, 26) }],
        max_sessions_per_week: 20,
        weight: 100,
        active: true,
    }
}

/// Faults as one text, which is empty if there is none.
fn told<T>(read: Result<T, Vec<FieldFault>>) -> String {
    let faults = read.err().unwrap_or_default();
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A trainer's line with only one field.
fn json_with(field: &str, value: Value) -> Result<TrainerPatch, Vec<FieldFault>> {
    trainer_from_json(json!({ field: value }).to_string().as_bytes())
}

fn csv_with(column: &str, cell: &str) -> Result<TrainerPatch, Vec<FieldFault>> {
    trainer_from_csv([column], [cell])
}

#[test]
fn the_example_is_the_same_trainer_in_both_forms() {
    let from_json = trainer_from_json(EXAMPLE.as_bytes()).unwrap();
    let from_csv = trainer_from_csv(TRAINER_COLUMNS, EXAMPLE_CELLS).unwrap();
    assert_eq!(from_json, from_csv);
    assert_eq!(from_json.trainer_id(), Some("trn_7"));
    assert_eq!(from_json.onto(None), Ok(ravi()));
}

#[test]
fn a_listed_trainer_can_be_imported_again() {
    let listed = serde_json::to_vec(&ravi()).unwrap();
    assert_eq!(trainer_from_json(&listed).unwrap().onto(None), Ok(ravi()));
    assert_eq!(trainer_from_json(&listed).unwrap().onto(Some(ravi())), Ok(ravi()));
}

#[test]
fn an_absent_field_stays_and_an_empty_one_clears() {
    let cleared = Trainer {
        max_sessions_per_week: 40,
        weight: 100,
        active: true,
        ..unsaid("trn_7".into(), "Asia/Kolkata".into())
    };
    let inactive = Trainer { active: false, weight: 7, ..ravi() };
    let all_null = r#"{"trainer_id":"trn_7","name":null,"email":null,"languages":null,"courses":null,
                       "availability":null,"time_off":null,"max_sessions_per_week":null,"weight":null,"active":null}"#;
    let all_empty = r#"{"trainer_id":"trn_7","name":"","email":"","languages":[],"courses":[],"availability":"",
                        "time_off":[],"max_sessions_per_week":"","weight":"","active":""}"#;
    for (line, was, expected) in [
        (r#"{"trainer_id":"trn_7"}"#, ravi(), ravi()),
        ("{}", ravi(), ravi()),
        (
            r#"{"trainer_id":"trn_7","time_zone":"europe/berlin"}"#,
            ravi(),
            Trainer { time_zone: "Europe/Berlin".into(), ..ravi() },
        ),
        (r#"{"name":"Ravi K"}"#, ravi(), Trainer { name: Some("Ravi K".into()), ..ravi() }),
        (
            r#"{"weight":1,"max_sessions_per_week":0}"#,
            ravi(),
            Trainer { weight: 1, max_sessions_per_week: 0, ..ravi() },
        ),
        (all_null, inactive.clone(), cleared.clone()),
        (all_empty, inactive, cleared.clone()),
    ] {
        assert_eq!(trainer_from_json(line.as_bytes()).unwrap().onto(Some(was)), Ok(expected), "{line}");
    }
    let cells = ["trn_7", "", "", "Asia/Kolkata", "", "", "", "", "", "", ""];
    assert_eq!(trainer_from_csv(TRAINER_COLUMNS, cells).unwrap().onto(Some(ravi())), Ok(cleared));
}

#[test]
fn nobody_is_without_id_or_zone() {
    for (line, existing, expected) in [
        ("{}", None, "/trainer_id: is missing; /time_zone: is missing"),
        (r#"{"trainer_id":"trn_7"}"#, None, "/time_zone: is missing"),
        (
            r#"{"trainer_id":"","time_zone":null}"#,
            None,
            "/trainer_id: must not be empty; /time_zone: must not be empty",
        ),
        (r#"{"time_zone":""}"#, Some(ravi()), "/time_zone: must not be empty"),
        (r#"{"trainer_id":"trn_8"}"#, Some(ravi()), "/trainer_id: must be the id of the trainer it is applied to"),
        (r#"{"trainer_id":"trn_8","time_zone":"UTC"}"#, None, ""),
    ] {
        assert_eq!(told(trainer_from_json(line.as_bytes()).unwrap().onto(existing)), expected, "{line}");
    }
}

#[test]
fn everything_within_bounds_is_taken() {
    let range = |from: &str, until: &str| json!([{ "weekday": "sun", "from": from, "until": until }]);
    for (field, value) in [
        ("trainer_id", json!("ü".repeat(200))),
        ("email", json!("e".repeat(320))),
        ("languages", json!(vec!["l".repeat(35); 50])),
        ("courses", json!(vec![json!({ "subject": "s".repeat(200), "levels": vec!["x"; 50] }); 200])),
        ("availability", json!(vec![range("15:00", "21:00")[0].clone(); 200])),
        ("availability", range("00:00", "24:00")),
        ("availability", range("22:00", "02:00")),
        ("availability", range("22:00", "00:00")),
        ("availability", range("09:01", "09:02")),
        ("time_off", json!(vec![json!({ "from": "2026-12-24", "until": "2026-12-24" }); 1000])),
        ("time_off", json!([{ "from": "1970-01-01", "until": "9999-12-31" }])),
        ("max_sessions_per_week", json!(1000)),
        ("weight", json!(10000)),
        ("active", json!(false)),
    ] {
        assert_eq!(told(json_with(field, value.clone())), "", "{field} {value}");
    }
}

#[test]
fn everything_else_in_json_is_refused_with_its_field_and_bound() {
    let range = |from: &str, until: &str| json!([{ "weekday": "sun", "from": from, "until": until }]);
    for (field, value, fault) in [
        ("trainer_id", json!("t".repeat(201)), "/trainer_id: must be 1 to 200 characters, is 201"),
        ("trainer_id", json!(7), "/trainer_id: must be a text, is a number"),
        ("name", json!("n\0"), "/name: must not contain U+0000"),
        ("email", json!("e".repeat(321)), "/email: must be 1 to 320 characters, is 321"),
        (
            "time_zone",
            json!("IST-5:30"),
            "/time_zone: must be an IANA time zone name such as Europe/Berlin, is \"IST-5:30\"",
        ),
        ("languages", json!("en"), "/languages: must be an array, is a text"),
        ("languages", json!(["en", null]), "/languages/1: is missing"),
        ("languages", json!(vec!["en"; 51]), "/languages: must have 1 to 50 entries, has 51"),
        ("courses", json!([{ "subject": "python" }]), "/courses/0/levels: is missing"),
        (
            "courses",
            json!([{ "subject": " ", "levels": ["x"] }]),
            "/courses/0/subject: must be 1 to 200 characters, is 0",
        ),
        ("courses", json!([{ "subject": "s", "levels": [] }]), "/courses/0/levels: must have 1 to 50 entries, has 0"),
        (
            "courses",
            json!([{ "subject": "s", "levels": vec!["x"; 51] }]),
            "/courses/0/levels: must have 1 to 50 entries, has 51",
        ),
        (
            "courses",
            json!([{ "subject": "s", "levels": ["x"], "level": "y" }]),
            "/courses/0/level: is not a known field, known are subject, levels",
        ),
        (
            "courses",
            json!(vec![json!({ "subject": "s", "levels": ["x"] }); 201]),
            "/courses: must have 1 to 200 entries, has 201",
        ),
        (
            "availability",
            range("24:00", "02:00"),
            "/availability/0/from: must be a time HH:MM from 00:00 to 23:59, is \"24:00\"",
        ),
        (
            "availability",
            range("22:00", "24:15"),
            "/availability/0/until: must be a time HH:MM from 00:00 to 24:00, is \"24:15\"",
        ),
        ("availability", range("09:00", "09:00"), "/availability/0/until: must not equal from (a whole day is"),
        (
            "availability",
            json!(vec![range("15:00", "21:00")[0].clone(); 201]),
            "/availability: must have 1 to 200 entries, has 201",
        ),
        (
            "time_off",
            json!([{ "from": "2026-12-26", "until": "2026-12-24" }]),
            "/time_off/0/until: must not be before from, which is 2026-12-26, is 2026-12-24",
        ),
        ("time_off", json!([{ "from": "2026-12-26" }]), "/time_off/0/until: is missing"),
        (
            "time_off",
            json!(vec![json!({ "from": "2026-12-24", "until": "2026-12-24" }); 1001]),
            "/time_off: must have 1 to 1000 entries, has 1001",
        ),
        (
            "max_sessions_per_week",
            json!(1001),
            "/max_sessions_per_week: must be a whole number from 0 to 1000, is 1001",
        ),
        (
            "max_sessions_per_week",
            json!("20"),
            "/max_sessions_per_week: must be a whole number from 0 to 1000, is a text",
        ),
        ("weight", json!(0), "/weight: must be a whole number from 1 to 10000, is 0"),
        ("weight", json!(1.5), "/weight: must be a whole number from 1 to 10000, is 1.5"),
        ("active", json!("yes"), "/active: must be true or false, is a text"),
        ("active", json!(1), "/active: must be true or false, is a number"),
    ] {
        let told = told(json_with(field, value.clone()));
        assert!(told.starts_with(fault) && !told.contains("; "), "{field} {value}: {told}");
    }
    for (line, fault) in [
        ("", "(whole value): not JSON: EOF while parsing a value at line 1 column 0"),
        ("[]", "(whole value): must be an object, is an array"),
        (r#"{"availabilty":[]}"#, "/availabilty: is not a known field, known are trainer_id, name, email, "),
    ] {
        assert!(told(trainer_from_json(line.as_bytes())).starts_with(fault), "{line}");
    }
}

#[test]
fn list_cells_have_their_own_form() {
    for (column, cell, field, value) in [
        ("languages", " en ; ta;", "languages", json!(["en", "ta"])),
        ("courses", "python:beginner", "courses", json!([{ "subject": "python", "levels": ["beginner"] }])),
        (
            "courses",
            "python : beginner | expert ;c:c: x",
            "courses",
            json!([{ "subject": "python", "levels": ["beginner", "expert"] }, { "subject": "c:c", "levels": ["x"] }]),
        ),
        (
            "availability",
            "tue 15:00-21:00;sun  22:00 - 24:00",
            "availability",
            json!([
                { "weekday": "tue", "from": "15:00", "until": "21:00" },
                { "weekday": "sun", "from": "22:00", "until": "24:00" }
            ]),
        ),
        (
            "time_off",
            "2026-12-24..2026-12-26;2027-01-01",
            "time_off",
            json!([{ "from": "2026-12-24", "until": "2026-12-26" }, { "from": "2027-01-01", "until": "2027-01-01" }]),
        ),
        ("languages", ";", "languages", json!([])),
        ("max_sessions_per_week", " 20 ", "max_sessions_per_week", json!(20)),
        ("active", "TRUE", "active", json!(true)),
        ("active", "Yes", "active", json!(true)),
        ("active", "1", "active", json!(true)),
        ("active", "False", "active", json!(false)),
        ("active", "NO", "active", json!(false)),
        ("active", "0", "active", json!(false)),
        ("\u{FEFF}name", "Ravi", "name", json!("Ravi")),
        ("weight", "", "weight", Value::Null),
    ] {
        assert_eq!(csv_with(column, cell), json_with(field, value), "{column} {cell:?}");
    }
}

#[test]
fn everything_else_in_csv_is_refused_with_its_column() {
    for (column, cell, fault) in [
        ("courses", "python", "/courses/0: must look like python:beginner|intermediate, is \"python\""),
        ("courses", "a:b;python:", "/courses/1/levels: must have 1 to 50 entries, has 0"),
        (
            "availability",
            "tue;wed 15:00",
            "/availability/0: must look like tue 15:00-21:00, is \"tue\"; \
             /availability/1: must look like tue 15:00-21:00, is \"wed 15:00\"",
        ),
        (
            "availability",
            "tue 15:00-21:00;Wed 15:00-15:00",
            "/availability/1/weekday: must be one of mon, tue, wed, thu, fri, sat, sun, is \"Wed\"",
        ),
        (
            "availability",
            "tue 15:00-15:00",
            "/availability/0/until: must not equal from (a whole day is 00:00 to 24:00)",
        ),
        (
            "time_off",
            "2026-12-26..2026-12-24",
            "/time_off/0/until: must not be before from, which is 2026-12-26, is 2026-12-24",
        ),
        ("max_sessions_per_week", "many", "/max_sessions_per_week: must be a whole number, is \"many\""),
        ("weight", "10001", "/weight: must be a whole number from 1 to 10000, is 10001"),
        ("active", "on", "/active: must be true or false, yes or no, 1 or 0, is \"on\""),
    ] {
        assert_eq!(told(csv_with(column, cell)), fault, "{column} {cell:?}");
    }
    let known = TRAINER_COLUMNS.join(", ");
    for (header, record, fault) in [
        (
            &["trainer_id", "nmae"][..],
            &["trn_7", "Ravi"][..],
            format!("/nmae: is not a known column, known are {known}"),
        ),
        (&["weight", "weight"], &["1", "2"], "/weight: is in the header twice".to_owned()),
        (&["weight", "name"], &["1"], "(whole value): must have 2 cells as the header has, has 1".to_owned()),
        (&["weight"], &["1", "2"], "(whole value): must have 1 cells as the header has, has 2".to_owned()),
    ] {
        assert_eq!(told(trainer_from_csv(header.iter().copied(), record.iter().copied())), fault);
    }
}

#[test]
fn closures_are_whole_days_of_one_name() {
    let diwali = Closure { from: date(2026, 11, 8), until: date(2026, 11, 9), name: "Diwali".into() };
    let line = r#"{"from":"2026-11-08","until":"2026-11-09","name":"Diwali"}"#;
    assert_eq!(closure_from_json(line.as_bytes()), Ok(diwali.clone()));
    assert_eq!(closure_from_csv(["name", "from", "until"], ["Diwali", "2026-11-08", "2026-11-09"]), Ok(diwali));
    for (from, until, name, fault) in [
        ("2026-11-08", "2026-11-08", "x", ""),
        ("2028-01-01", "2028-12-31", "x", ""),
        ("2026-01-01", "2027-01-02", "x", "/until: must make at most 366 days, makes 367"),
        ("1970-01-01", "9999-12-31", "x", "/until: must make at most 366 days, makes 2932897"),
        ("2026-11-09", "2026-11-08", "x", "/until: must not be before from, which is 2026-11-09, is 2026-11-08"),
        ("2026-11-08", "2026-11-08", "", "/name: must be 1 to 200 characters, is 0"),
        ("", "2026-11-08", "x", "/from: must be a date YYYY-MM-DD from 1970-01-01 to 9999-12-31, is \"\""),
    ] {
        let line = json!({ "from": from, "until": until, "name": name }).to_string();
        assert_eq!(told(closure_from_json(line.as_bytes())), fault);
        assert_eq!(told(closure_from_csv(CLOSURE_COLUMNS, [from, until, name])), fault);
    }
    assert_eq!(told(closure_from_json(b"{}")), "/name: is missing; /from: is missing; /until: is missing");
    assert_eq!(told(closure_from_csv(["from", "until"], ["2026-11-08", "2026-11-08"])), "/name: is missing");
    assert!(told(closure_from_json(br#"{"day":"2026-11-08"}"#)).starts_with("/day: is not a known field"));
}

fn any_cell() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z0-9:;|. -]{0,30}",
        proptest::sample::select(&EXAMPLE_CELLS[..]).prop_map(str::to_owned)
    ]
}

fn any_column() -> impl Strategy<Value = String> {
    prop_oneof![proptest::sample::select(&TRAINER_COLUMNS[..]).prop_map(str::to_owned), any::<String>()]
}

fn any_range() -> impl Strategy<Value = AvailableRange> {
    let unequal = |(_, from, until): &(usize, u16, u16)| from != until;
    (0..7_usize, 0..1440_u16, 0..=1440_u16).prop_filter("an empty range", unequal).prop_map(|(day, from, until)| {
        let time = |minutes| TimeOfDay::from_minutes(minutes).unwrap();
        AvailableRange { weekday: Weekday::ALL[day], from: time(from), until: time(until) }
    })
}

proptest! {
    #[test]
    fn no_bytes_whatsoever_make_it_panic(bytes: Vec<u8>) {
        let _ = (trainer_from_json(&bytes), closure_from_json(&bytes));
    }

    #[test]
    fn no_cells_whatsoever_make_it_panic(
        header in proptest::collection::vec(any_column(), 0..12),
        cells in proptest::collection::vec(any_cell(), 0..12),
    ) {
        let (header, cells) = (header.iter().map(String::as_str), cells.iter().map(String::as_str));
        let _ = closure_from_csv(header.clone(), cells.clone());
        if let Ok(patch) = trainer_from_csv(header, cells) {
            let _ = patch.onto(None);
        }
    }

    #[test]
    fn both_forms_say_the_same(
        availability in proptest::collection::vec(any_range(), 1..9),
        languages in proptest::collection::vec("[a-z]{1,35}", 1..9),
        weight in 1..=10_000_u32,
        active: bool,
    ) {
        let expected = Trainer { availability, languages, weight, active, ..ravi() };
        let cell = |range: &AvailableRange| format!("{} {}-{}", range.weekday, range.from, range.until);
        let ranges = expected.availability.iter().map(cell).collect::<Vec<_>>().join(";");
        let languages = expected.languages.join(";");
        let (weight, active) = (weight.to_string(), active.to_string());
        let header = ["trainer_id", "time_zone", "availability", "languages", "weight", "active"];
        let record = ["trn_7", "Asia/Kolkata", &ranges, &languages, &weight, &active];
        let from_csv = trainer_from_csv(header, record).unwrap().onto(Some(ravi()));
        let from_json = trainer_from_json(&serde_json::to_vec(&expected).unwrap()).unwrap().onto(None);
        prop_assert_eq!(from_csv.as_ref(), Ok(&expected));
        prop_assert_eq!(from_json.as_ref(), Ok(&expected));
    }
}
