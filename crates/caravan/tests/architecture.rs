//! The walls between the rooms, held by reading the sources.
//!
//! `domain <- platform <- traces <- engine <- workers <- app, http <- cli`: an arrow reads "is used by".

use std::fs;
use std::path::{Path, PathBuf};

/// The longest a file may be: who reads it must be able to keep it in mind.
const LINES_MAX: usize = 600;
/// What the rules may not depend on.
const NOT_FOR_THE_RULES: [&str; 8] = ["tokio", "sqlx", "rdkafka", "redis", "tracing", "rand", "chrono", "reqwest"];

/// What must not be said where.
struct Wall {
    name: &'static str,
    /// Files and directories it stands around, from `crates/` on.
    around: &'static [&'static str],
    /// Files and directories within that may.
    except: &'static [&'static str],
    /// Words that must not occur in code.
    words: &'static [&'static str],
    why: &'static str,
}

const WALLS: [Wall; 13] = [
    Wall {
        name: "the rules are pure",
        around: &["domain/src"],
        except: &[],
        words: &[
            "Timestamp::now",
            "Zoned::now",
            "SystemTime",
            "Instant",
            "std::fs",
            "std::env",
            "std::net",
            "thread_rng",
        ],
        why: "the same values must always give the same answer, so that decisions can be replayed and tested",
    },
    Wall {
        name: "the platform knows nobody who uses it",
        around: &["caravan/src/platform"],
        except: &[],
        words: &[
            "crate::engine",
            "crate::traces",
            "crate::workers",
            "crate::app",
            "crate::cli",
            "crate::http",
            "crate::roster",
            "crate::redrive",
            "crate::audit",
        ],
        why: "a topology answers the traits and nothing else; what uses it must run on any other as well",
    },
    Wall {
        name: "the traits know no topology",
        around: &["caravan/src/platform"],
        except: &[
            "caravan/src/platform/embedded",
            "caravan/src/platform/distributed",
            // What the two have in common: how a row of either reads.
            "caravan/src/platform/columns.rs",
            "caravan/src/platform/columns",
        ],
        words: &["sqlx", "rdkafka", "redis::", "embedded::"],
        why: "a second topology must be able to answer them without the first",
    },
    Wall {
        name: "the engine knows no business",
        around: &["caravan/src/engine"],
        except: &[],
        words: &[
            "crate::workers",
            "crate::app",
            "crate::cli",
            "crate::http::",
            "crate::roster",
            "crate::redrive",
            "crate::audit",
        ],
        why: "workers are plugged into the engine; it must not know which there are",
    },
    Wall {
        name: "the workers know nobody who starts them",
        around: &["caravan/src/workers"],
        except: &[],
        words: &["crate::app", "crate::cli", "crate::http", "crate::audit", "crate::roster", "crate::redrive"],
        why: "a worker reads like a page of business rules, not like a program",
    },
    Wall {
        name: "engine and workers run on any topology",
        around: &["caravan/src/engine", "caravan/src/workers"],
        except: &[],
        words: &["sqlx", "libsqlite3_sys", "rusqlite", "platform::embedded", "SELECT", "INSERT INTO"],
        why: "which topology it is, is asked once, in the composition root; SQL belongs to a topology's own room",
    },
    Wall {
        name: "only the engine commits",
        around: &["caravan/src"],
        except: &[
            "caravan/src/engine",
            // A topology's own transactions, and the offsets it tells its log.
            "caravan/src/platform/embedded",
            "caravan/src/platform/distributed",
            "caravan/src/roster.rs",
            "caravan/src/redrive.rs",
            "caravan/src/access.rs",
            // What comes in over HTTP, many requests in one transaction.
            "caravan/src/intake.rs",
            "caravan/src/workers/cron.rs",
            // Moving a group's position by hand.
            "caravan/src/cli/groups.rs",
            // Its roster is no business of anybody's.
            "caravan/src/bench/mod.rs",
        ],
        words: &[".commit("],
        why: "positions, effects and events go together; a second place that commits is a place that can forget one",
    },
    Wall {
        name: "workers never see a log",
        around: &["caravan/src/workers"],
        except: &[],
        words: &["dyn Log", "log::Log", "platform.log", ".publish(", ".subscribe(", "Subscription"],
        why: "a worker returns what is to be told; only then can it be told exactly when it is written",
    },
    Wall {
        name: "workers take the time as they are given it",
        around: &["caravan/src/workers", "caravan/src/engine"],
        except: &[],
        words: &["Timestamp::now", "Zoned::now", "SystemTime", "Instant::now", "tokio::time"],
        why: "tests and simulations set the clock of the platform; a second clock would escape them",
    },
    Wall {
        name: "the audit judges by itself",
        around: &["caravan/src/audit"],
        except: &[],
        words: &[
            "caravan_domain::allocation",
            "caravan_domain::availability",
            "caravan_domain::window",
            "caravan_domain::plan::Schedule",
            "dates_of",
            "plan::instants",
            "crate::workers",
            "crate::engine",
        ],
        why: "an audit that asks the rules it audits finds them always right",
    },
    Wall {
        name: "nothing is unsafe",
        around: &["domain", "caravan"],
        // The policy of its pages knows the word, too.
        except: &["caravan/tests/architecture.rs", "caravan/src/http/documentation.rs"],
        words: &["unsafe"],
        why: "nothing here is worth undefined behaviour",
    },
    Wall {
        name: "what readers are shown knows no way of asking for it",
        around: &["caravan/src/views", "caravan/src/intake.rs", "caravan/src/reported.rs", "caravan/src/access.rs"],
        except: &[],
        words: &["crate::http", "crate::cli", "axum"],
        why: "the command line shows the same, and what comes in may come in another way",
    },
    Wall {
        name: "how traces are written is known in one room",
        around: &["caravan/src"],
        except: &["caravan/src/traces"],
        words: &["prost", "otlp::", "exporter::"],
        why: "whoever works says what was done; how and where that is told must be able to change without them",
    },
];

/// A line that breaks a wall.
fn breaches(wall: &Wall, path: &str, text: &str) -> Vec<String> {
    let stands_around = |places: &[&str]| places.iter().any(|place| Path::new(path).starts_with(place));
    if !stands_around(wall.around) || stands_around(wall.except) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for word in wall.words.iter().filter(|word| says(code_of(line), word)) {
            let Wall { name, why, .. } = wall;
            found.push(format!(
                "crates/{path}:{number}: {word:?} breaks the wall \"{name}\": {why}\n    {}",
                line.trim()
            ));
        }
    }
    found
}

/// The line without its comment.
fn code_of(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

/// Whether the word occurs, not as a part of a longer one.
fn says(code: &str, word: &str) -> bool {
    let is_part = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    let joins = |letter: Option<char>, outside: Option<char>| is_part(letter) && is_part(outside);
    code.match_indices(word).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + word.len()..]);
        !joins(word.chars().next(), before.chars().next_back())
            && !joins(word.chars().next_back(), after.chars().next())
    })
}

/// Every Rust source of the workspace, by its path from `crates/` on.
fn sources() -> Vec<(String, String)> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for place in ["domain", "caravan"] {
        for room in ["src", "tests", "benches"] {
            collect(&crates, Path::new(place).join(room), &mut found);
        }
    }
    found
}

fn collect(crates: &Path, within: PathBuf, found: &mut Vec<(String, String)>) {
    let Ok(entries) = fs::read_dir(crates.join(&within)) else { return };
    for entry in entries {
        let path = within.join(entry.expect("a directory entry").file_name());
        if crates.join(&path).is_dir() {
            collect(crates, path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(crates.join(&path)).expect("a source file");
            found.push((path.to_string_lossy().replace('\\', "/"), text));
        }
    }
}

#[test]
fn no_room_reaches_through_a_wall() {
    let sources = sources();
    assert!(sources.iter().any(|(path, _)| path == "caravan/src/engine/mod.rs"), "the sources were not found");
    let found: Vec<String> =
        WALLS.iter().flat_map(|wall| sources.iter().flat_map(|(path, text)| breaches(wall, path, text))).collect();
    assert!(found.is_empty(), "{} lines reach through walls:\n{}", found.len(), found.join("\n"));
}

#[test]
fn a_breach_is_told_with_its_place_and_the_reason_of_the_wall() {
    for (wall, path, line) in [
        (0, "domain/src/window.rs", "    let now = Timestamp::now();"),
        (1, "caravan/src/platform/embedded/log.rs", "use crate::engine::Policy;"),
        (5, "caravan/src/workers/session.rs", "use sqlx::query;"),
        (6, "caravan/src/cli/demo.rs", "    platform.store.commit(&transaction).await?;"),
        (9, "caravan/src/audit/window.rs", "use caravan_domain::window::horizon;"),
        (10, "caravan/src/app.rs", "    unsafe { std::hint::unreachable_unchecked() }"),
    ] {
        let found = breaches(&WALLS[wall], path, &format!("//! First line.\n{line}\n"));
        assert_eq!(found.len(), 1, "{path}");
        assert!(found[0].contains(&format!("crates/{path}:2:")) && found[0].contains(WALLS[wall].why), "{}", found[0]);
    }
}

#[test]
fn what_only_looks_like_a_breach_is_none() {
    for (wall, path, line) in [
        (0, "domain/src/window.rs", "//! Nobody calls Timestamp::now here."),
        (0, "domain/src/plan.rs", "struct Instantaneous;"),
        (6, "caravan/src/engine/consumer.rs", "self.platform.store.commit(transaction).await"),
        (6, "caravan/src/cli/demo.rs", "self.worker.committed();"),
        (10, "caravan/src/app.rs", "#![forbid(unsafe_code)]"),
    ] {
        assert_eq!(breaches(&WALLS[wall], path, line), Vec::<String>::new(), "{line}");
    }
}

#[test]
fn the_rules_depend_on_nothing_that_acts() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../domain/Cargo.toml");
    let text = fs::read_to_string(manifest).expect("the manifest of the rules");
    let from = text.find("[dependencies]").expect("a section of dependencies");
    let section: Vec<&str> = text[from..].lines().skip(1).take_while(|line| !line.starts_with('[')).collect();
    assert!(section.iter().any(|line| line.starts_with("jiff")), "the section was not read");
    for name in NOT_FOR_THE_RULES {
        let named = |line: &&&str| line.split(['.', ' ', '=']).next() == Some(name);
        assert_eq!(section.iter().find(named), None, "crates/domain/Cargo.toml: {name}: {}", WALLS[0].why);
    }
}

#[test]
fn every_file_can_be_kept_in_mind() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(
            lines <= LINES_MAX,
            "crates/{path} has {lines} lines, at most {LINES_MAX}: give a part of it its own file"
        );
    }
}
