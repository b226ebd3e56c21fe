//! What PostgreSQL is told otherwise than SQLite, to do the same damage.

use crate::damages::Damage;

/// How a damage is done here.
enum Otherwise {
    /// By these statements, to what is found as everywhere.
    Done(&'static [&'static str]),
    /// By these statements, to what is found by this query.
    Found(&'static str, &'static [&'static str]),
    /// Not at all: why.
    LeftOut(&'static str),
}

use Otherwise::{Done, Found, LeftOut};

/// The damage as PostgreSQL is told to do it, or why it can't be done.
pub(crate) fn told(damage: &Damage) -> Result<Damage, &'static str> {
    let otherwise = OTHERWISE.iter().find(|(what, _)| *what == damage.what);
    match otherwise.map(|(_, otherwise)| otherwise) {
        None => Ok(*damage),
        Some(Done(statements)) => Ok(Damage { statements, ..*damage }),
        Some(Found(find, statements)) => Ok(Damage { find, statements, ..*damage }),
        Some(LeftOut(reason)) => Err(reason),
    }
}

/// By what the damage is called.
const OTHERWISE: &[(&str, Otherwise)] = &[
    (
        "a session starts later",
        Done(&["UPDATE sessions SET starts_at = starts_at + interval '15 minutes' WHERE id = ?1"]),
    ),
    ("a session ends later", Done(&["UPDATE sessions SET ends_at = ends_at + interval '5 minutes' WHERE id = ?1"])),
    ("a session's start is no time", LeftOut("a column of type timestamptz holds nothing else than times")),
    (
        "a session is moved into another one of the same trainer",
        Done(&["UPDATE sessions SET
            starts_at = (SELECT o.starts_at + interval '10 minutes' FROM sessions o
                         WHERE o.trainer_id = sessions.trainer_id AND o.purchase_id <> sessions.purchase_id ORDER BY 1 LIMIT 1),
            ends_at = (SELECT o.starts_at + interval '20 minutes' FROM sessions o
                         WHERE o.trainer_id = sessions.trainer_id AND o.purchase_id <> sessions.purchase_id ORDER BY 1 LIMIT 1)
            WHERE id = ?1"]),
    ),
    ("a horizon is raised without sessions", Done(&["UPDATE purchases SET horizon = horizon + 30 WHERE id = ?1"])),
    ("a horizon is lowered", Done(&["UPDATE purchases SET horizon = horizon - 10 WHERE id = ?1"])),
    (
        "a slot is another one",
        Done(&["UPDATE allocations SET slots = jsonb_set(jsonb_set(slots::jsonb, '{0,at}', '\"03:15\"'), '{1,at}', '\"03:15\"')::text
                WHERE id = ?1"]),
    ),
    ("a slot is missing", Done(&["UPDATE allocations SET slots = (slots::jsonb - 1)::text WHERE id = ?1"])),
    (
        "a day off is not skipped",
        Done(&["UPDATE allocations SET skipped = receipt::jsonb ->> 'skipped_for_closures' WHERE id = ?1"]),
    ),
    (
        "a date is skipped without a reason",
        Done(&["UPDATE allocations SET skipped = (skipped::jsonb || to_jsonb((SELECT local_date::text FROM sessions s
                WHERE s.purchase_id = allocations.purchase_id AND s.ordinal = 2)))::text WHERE id = ?1"]),
    ),
    ("more dates are skipped for time off than allowed", Done(&["UPDATE allocations SET receipt = jsonb_set(receipt::jsonb, '{skipped_for_time_off}', '[\"2026-12-08\",\"2026-12-09\",\"2026-12-10\"]')::text WHERE id = ?1"])),
    ("a trainer was allowed fewer sessions a week", Done(&["UPDATE allocations SET receipt = jsonb_set(receipt::jsonb, '{trainer,max_sessions_per_week}', '1')::text WHERE id = ?1"])),
    ("a trainer was not available", Done(&["UPDATE allocations SET receipt = jsonb_set(receipt::jsonb, '{trainer,availability}', '[{\"weekday\":\"sun\",\"from\":\"22:00\",\"until\":\"02:00\"}]')::text WHERE id = ?1"])),
    ("a trainer's zone was another", Done(&["UPDATE allocations SET receipt = jsonb_set(receipt::jsonb, '{trainer,time_zone}', '\"Pacific/Auckland\"')::text WHERE id = ?1"])),
    ("a trainer was off", Done(&["UPDATE allocations SET receipt = jsonb_set(receipt::jsonb, '{trainer,time_off}', '[{\"from\":\"2026-01-01\",\"until\":\"2028-01-01\"}]')::text WHERE id = ?1"])),
    ("a trainer does not teach the course", Done(&["UPDATE allocations SET receipt = jsonb_set(receipt::jsonb, '{trainer,courses,0,levels,0}', '\"expert\"')::text WHERE id = ?1"])),
    ("trainer and student can't talk", Done(&["UPDATE allocations SET receipt = jsonb_set(receipt::jsonb, '{trainer,languages,0}', '\"fi\"')::text WHERE id = ?1"])),
    ("a receipt is of another trainer", Done(&["UPDATE allocations SET receipt = jsonb_set(receipt::jsonb, '{trainer,trainer_id}', '\"trn_other\"')::text WHERE id = ?1"])),
    (
        "a purchase says something else than its payment",
        Done(&["UPDATE confirmations SET confirmation = jsonb_set(confirmation::jsonb, '{amount,minor}', '5')::text
                WHERE seq = (SELECT seq FROM purchases WHERE id = ?1)"]),
    ),
    (
        "a dead letter has another value than on the queue",
        Done(&["UPDATE dead_letters SET value = '\\x7b7d' WHERE id = ?1"]),
    ),
    (
        "a creation is told by two events",
        Done(&["INSERT INTO outbox (topic, key, value, headers, timestamp)
                SELECT 'purchase-created', key, value,
                       jsonb_set(headers::jsonb, '{1,1}', '\"00000000-0000-4000-8000-000000000000\"')::text, timestamp
                FROM log_records WHERE id = ?1"]),
    ),
    (
        "the same sessions are told by two events",
        Done(&["INSERT INTO outbox (topic, key, value, headers, timestamp)
                SELECT 'sessions-scheduled', key, value,
                       jsonb_set(headers::jsonb, '{1,1}', '\"00000000-0000-4000-8000-000000000000\"')::text, timestamp
                FROM log_records WHERE id = ?1"]),
    ),
    (
        "an event is republished with another content",
        Found(
            "SELECT r.id, r.headers::jsonb #>> '{1,1}' FROM {UNDER_WAY} p
             JOIN {PLACED} r ON r.topic = 'trainer-allocated' AND r.key = CAST(p.id AS TEXT)",
            &["INSERT INTO outbox (topic, key, value, headers, timestamp)
               SELECT 'trainer-allocated', key, value || ' ', headers, timestamp FROM log_records WHERE id = ?1"],
        ),
    ),
    // Nobody can take a record out of the middle of a topic. Kafka never having got it comes to the same, so these are
    // rows whose event is not there.
    (
        "a purchase was never told of",
        Found(
            "SELECT p.id, 'd62f3ab9-77dd-5567-810a-b863891c5283' FROM {UNDER_WAY} p",
            &["INSERT INTO purchases (id, payment_id, student_id, status, subject, level, time_zone, requested_start_date,
                   sessions_total, created_at)
               SELECT 'd62f3ab9-77dd-5567-810a-b863891c5283', 'pay_untold', student_id, 'created', subject, level, time_zone,
                      requested_start_date, sessions_total, created_at FROM purchases WHERE id = ?1"],
        ),
    ),
    (
        "an allocation was never told of",
        Found(
            "SELECT a.id, '00000000-0000-4000-8000-000000000000' FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id",
            &["UPDATE allocations SET id = '00000000-0000-4000-8000-000000000000' WHERE id = ?1"],
        ),
    ),
    (
        "sessions were never told of",
        Found(
            "SELECT p.id, i.id FROM {UNDER_WAY} p JOIN session_ids i ON i.purchase_id = p.id
             AND i.ordinal = (SELECT max(ordinal) + 1 FROM sessions s WHERE s.purchase_id = p.id)",
            &[
                // Plans are of two lessons a week: the next one is a week after the last but one, by the student's clock.
                "INSERT INTO sessions (seq, id, purchase_id, trainer_id, ordinal, local_date, starts_at, ends_at)
                 SELECT s.seq + 2, i.id, s.purchase_id, trainer_id, i.ordinal, local_date + 7,
                        (starts_at AT TIME ZONE p.time_zone + interval '7 days') AT TIME ZONE p.time_zone,
                        (ends_at AT TIME ZONE p.time_zone + interval '7 days') AT TIME ZONE p.time_zone
                 FROM sessions s JOIN purchases p ON p.id = s.purchase_id
                 JOIN session_ids i ON i.purchase_id = s.purchase_id AND i.ordinal = s.ordinal + 2
                 WHERE s.purchase_id = ?1 AND s.ordinal = (SELECT max(ordinal) - 1 FROM sessions WHERE purchase_id = ?1)",
                "UPDATE purchases SET horizon = (SELECT max(local_date) + 1 FROM sessions WHERE purchase_id = ?1) WHERE id = ?1",
            ],
        ),
    ),
];

#[cfg(test)]
mod tests {
    use super::OTHERWISE;
    use crate::damages;

    #[test]
    fn what_is_told_otherwise_is_a_damage() {
        for (what, _) in OTHERWISE {
            assert!(damages::all().any(|damage| damage.what == *what), "{what}");
        }
    }
}
