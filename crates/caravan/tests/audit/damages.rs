//! Ways to damage what the workers made, each with the guarantees it breaks: in SQL that SQLite understands, and
//! PostgreSQL as well unless `topologies/postgres.rs` says it otherwise.

use caravan::audit::Guarantee::{
    self, Freshness, NoDoubleBooking, NothingVanishes, Occurrences, Once, RollingWindow, WholePlanFits,
};

mod life;

/// What is damaged, and what must be found.
#[derive(Clone, Copy)]
pub(crate) struct Damage {
    /// In words.
    pub(crate) what: &'static str,
    /// Finds what to damage: the first column is `?1` of the statements, the others are the ids
    /// that must be told, one for each guarantee below.
    pub(crate) find: &'static str,
    /// The damage.
    pub(crate) statements: &'static [&'static str],
    /// The guarantees that must not hold any more; all others must.
    pub(crate) breaks: &'static [Guarantee],
}

/// A plan under way: it has sessions, and more to come.
pub(crate) const UNDER_WAY: &str = "(SELECT p.* FROM purchases p WHERE p.status = 'scheduled'
    AND (SELECT count(*) FROM sessions s WHERE s.purchase_id = p.id) BETWEEN 4 AND p.sessions_total - 8 ORDER BY p.id LIMIT 1)";
/// A plan that leaves out days its trainer is off.
pub(crate) const SKIPPING: &str = r#"receipt LIKE '%"skipped_for_time_off":["%'"#;

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Damage> {
    DAMAGES.iter().chain(life::DAMAGES)
}

const DAMAGES: &[Damage] = &[
    Damage {
        what: "a session in the middle is gone",
        find: "SELECT s.id, t.id, p.id FROM {UNDER_WAY} p JOIN sessions s ON s.purchase_id = p.id AND s.ordinal = 2
               JOIN sessions t ON t.purchase_id = p.id AND t.ordinal = 3",
        statements: &["DELETE FROM sessions WHERE id = ?1"],
        breaks: &[Once, RollingWindow],
    },
    Damage {
        what: "the latest session is gone",
        find: "SELECT s.id, p.id FROM {UNDER_WAY} p JOIN sessions s ON s.purchase_id = p.id ORDER BY s.ordinal DESC LIMIT 1",
        statements: &["DELETE FROM sessions WHERE id = ?1"],
        breaks: &[RollingWindow],
    },
    Damage {
        what: "a session starts later",
        find: "SELECT s.id, s.id FROM {UNDER_WAY} p JOIN sessions s ON s.purchase_id = p.id AND s.ordinal = 2",
        statements: &["UPDATE sessions SET starts_at = strftime('%Y-%m-%dT%H:%M:%SZ', starts_at, '+15 minutes') WHERE id = ?1"],
        breaks: &[Occurrences],
    },
    Damage {
        what: "a session ends later",
        find: "SELECT s.id, s.id FROM {UNDER_WAY} p JOIN sessions s ON s.purchase_id = p.id AND s.ordinal = 2",
        statements: &["UPDATE sessions SET ends_at = strftime('%Y-%m-%dT%H:%M:%SZ', ends_at, '+5 minutes') WHERE id = ?1"],
        breaks: &[Occurrences],
    },
    Damage {
        what: "a session has another local date",
        find: "SELECT s.id, s.id FROM {UNDER_WAY} p JOIN sessions s ON s.purchase_id = p.id AND s.ordinal = 2",
        statements: &["UPDATE sessions SET local_date = '2026-12-31' WHERE id = ?1"],
        breaks: &[Occurrences],
    },
    Damage {
        what: "a session's start is no time",
        find: "SELECT s.id, s.id, s.id FROM {UNDER_WAY} p JOIN sessions s ON s.purchase_id = p.id AND s.ordinal = 2",
        statements: &["UPDATE sessions SET starts_at = 'soon' WHERE id = ?1"],
        breaks: &[NoDoubleBooking, Occurrences],
    },
    Damage {
        what: "a session is moved into another one of the same trainer",
        find: "SELECT s.id, s.id, s.id FROM {UNDER_WAY} p JOIN sessions s ON s.purchase_id = p.id AND s.ordinal = 1",
        statements: &["UPDATE sessions SET
            starts_at = (SELECT strftime('%Y-%m-%dT%H:%M:%SZ', o.starts_at, '+10 minutes') FROM sessions o
                         WHERE o.trainer_id = sessions.trainer_id AND o.purchase_id <> sessions.purchase_id ORDER BY 1 LIMIT 1),
            ends_at = (SELECT strftime('%Y-%m-%dT%H:%M:%SZ', o.starts_at, '+20 minutes') FROM sessions o
                         WHERE o.trainer_id = sessions.trainer_id AND o.purchase_id <> sessions.purchase_id ORDER BY 1 LIMIT 1)
            WHERE id = ?1"],
        breaks: &[NoDoubleBooking, Occurrences],
    },
    Damage {
        what: "a session has another trainer",
        find: "SELECT s.id, s.id FROM {UNDER_WAY} p JOIN sessions s ON s.purchase_id = p.id AND s.status = 'scheduled' LIMIT 1",
        statements: &["UPDATE sessions SET trainer_id = 'trn_nobody' WHERE id = ?1"],
        breaks: &[Once],
    },
    Damage {
        what: "a session has an id of its own",
        find: "SELECT s.id, '00000000-0000-4000-8000-000000000000' FROM {UNDER_WAY} p
               JOIN sessions s ON s.purchase_id = p.id AND s.ordinal = 2",
        statements: &["UPDATE sessions SET id = '00000000-0000-4000-8000-000000000000' WHERE id = ?1"],
        breaks: &[Once],
    },
    Damage {
        what: "there is a session beyond the last one",
        find: "SELECT p.id, '00000000-0000-4000-8000-000000000000', '00000000-0000-4000-8000-000000000000',
                      '00000000-0000-4000-8000-000000000000' FROM {UNDER_WAY} p",
        statements: &["INSERT INTO sessions (seq, purchase_id, ordinal, id, trainer_id, local_date, starts_at, ends_at)
            SELECT (SELECT max(seq) + 1 FROM sessions), id, sessions_total + 1, '00000000-0000-4000-8000-000000000000',
                   (SELECT trainer_id FROM allocations WHERE purchase_id = ?1),
                   '2031-01-01', '2031-01-01T10:00:00Z', '2031-01-01T10:45:00Z' FROM purchases WHERE id = ?1"],
        breaks: &[Once, NothingVanishes, Occurrences],
    },
    Damage {
        what: "a session belongs to no purchase",
        find: "SELECT s.id, s.id, p.id FROM {UNDER_WAY} p JOIN sessions s ON s.purchase_id = p.id ORDER BY s.ordinal DESC LIMIT 1",
        statements: &["UPDATE sessions SET purchase_id = 'ffffffff-ffff-5fff-8fff-ffffffffffff' WHERE id = ?1"],
        breaks: &[Once, RollingWindow],
    },
    Damage {
        what: "a horizon is raised without sessions",
        find: "SELECT p.id, p.id FROM {UNDER_WAY} p",
        statements: &["UPDATE purchases SET horizon = date(horizon, '+30 days') WHERE id = ?1"],
        breaks: &[RollingWindow],
    },
    Damage {
        what: "a horizon is lowered",
        find: "SELECT p.id, p.id FROM {UNDER_WAY} p",
        statements: &["UPDATE purchases SET horizon = date(horizon, '-10 days') WHERE id = ?1"],
        breaks: &[RollingWindow],
    },
    Damage {
        what: "a horizon was not raised by the cron",
        find: "SELECT p.id, p.id FROM {UNDER_WAY} p",
        statements: &[
            "UPDATE purchases SET horizon = (SELECT local_date FROM sessions WHERE purchase_id = ?1 ORDER BY ordinal DESC LIMIT 1)
             WHERE id = ?1",
            "DELETE FROM sessions WHERE purchase_id = ?1 AND local_date >= (SELECT horizon FROM purchases WHERE id = ?1)",
        ],
        breaks: &[RollingWindow],
    },
    Damage {
        what: "a horizon is gone",
        find: "SELECT p.id, p.id FROM {UNDER_WAY} p",
        statements: &["UPDATE purchases SET horizon = NULL WHERE id = ?1"],
        breaks: &[RollingWindow],
    },
    Damage {
        what: "a reservation is gone",
        find: "SELECT party, party FROM reservations WHERE party LIKE 'trainer:%' AND starts <> 0 LIMIT 1",
        statements: &["DELETE FROM reservations WHERE party = ?1
                       AND key = (SELECT min(key) FROM reservations WHERE party = ?1)"],
        breaks: &[NoDoubleBooking],
    },
    Damage {
        what: "one week of a reservation is gone",
        find: "SELECT party, party FROM reservations WHERE party LIKE 'student:%' AND starts = 0 LIMIT 1",
        statements: &["UPDATE reservations SET busy = busy & (busy - 1) WHERE party = ?1 AND starts = 0"],
        breaks: &[NoDoubleBooking],
    },
    Damage {
        what: "time is reserved that no plan takes",
        find: "SELECT party, party FROM reservations LIMIT 1",
        statements: &["UPDATE reservations SET busy = busy | 1 WHERE party = ?1"],
        breaks: &[NoDoubleBooking],
    },
    Damage {
        what: "a start in the reserved time is gone",
        find: "SELECT party, party FROM reservations WHERE starts <> 0 LIMIT 1",
        statements: &["UPDATE reservations SET starts = 0 WHERE party = ?1"],
        breaks: &[NoDoubleBooking],
    },
    Damage {
        what: "time is reserved of somebody who has no plan",
        find: "SELECT 'student:nobody', 'student:nobody'",
        statements: &["INSERT INTO reservations VALUES (?1, 5, 1, 1)"],
        breaks: &[NoDoubleBooking],
    },
    Damage {
        what: "time is reserved of neither a trainer nor a student",
        find: "SELECT 'room 7', 'student:room 7'",
        statements: &["INSERT INTO reservations VALUES (?1, 5, 1, 1)"],
        breaks: &[NoDoubleBooking],
    },
    Damage {
        what: "a purchase is created again",
        find: "SELECT p.id, p.id, r.place, p.id FROM {UNDER_WAY} p
               JOIN {PLACED} r ON r.topic = 'purchase-created' AND r.key = CAST(p.id AS TEXT)",
        statements: &["UPDATE purchases SET status = 'created' WHERE id = ?1"],
        breaks: &[Once, NothingVanishes, RollingWindow],
    },
    Damage {
        what: "a purchase is allocated again",
        find: "SELECT p.id, r.place, p.id FROM {UNDER_WAY} p
               JOIN {PLACED} r ON r.topic = 'trainer-allocated' AND r.key = CAST(p.id AS TEXT)",
        statements: &["UPDATE purchases SET status = 'allocated' WHERE id = ?1"],
        breaks: &[NothingVanishes, RollingWindow],
    },
    Damage {
        what: "a purchase is completed before its last session",
        find: "SELECT p.id, p.id FROM {UNDER_WAY} p",
        statements: &["UPDATE purchases SET status = 'completed' WHERE id = ?1"],
        breaks: &[RollingWindow],
    },
    Damage {
        what: "a session of a completed purchase is scheduled",
        find: "SELECT id, id FROM purchases WHERE status = 'completed' LIMIT 1",
        statements: &["UPDATE sessions SET status = 'scheduled' WHERE purchase_id = ?1 AND ordinal = 1"],
        breaks: &[RollingWindow],
    },
    Damage {
        what: "an allocation is gone",
        find: "SELECT p.id, p.id, 'trainer:' || a.trainer_id FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id",
        statements: &["DELETE FROM allocations WHERE purchase_id = ?1"],
        breaks: &[Once, NoDoubleBooking],
    },
    Damage {
        what: "an allocation has ended",
        find: "SELECT p.id, p.id, 'student:' || p.student_id FROM {UNDER_WAY} p",
        statements: &["UPDATE allocations SET status = 'ended' WHERE purchase_id = ?1"],
        breaks: &[Once, NoDoubleBooking],
    },
    Damage {
        what: "a purchase has two active allocations",
        find: "SELECT p.id, p.id, '00000000-0000-4000-8000-000000000000', '00000000-0000-4000-8000-000000000000'
               FROM {UNDER_WAY} p",
        statements: &[
            "DROP INDEX allocations_active",
            "INSERT INTO allocations
                 (seq, id, purchase_id, trainer_id, student_id, generation, start_date, slots, skipped, receipt, allocated_at)
             SELECT (SELECT max(seq) + 1 FROM allocations), '00000000-0000-4000-8000-000000000000', purchase_id, trainer_id,
                    student_id, 2, start_date, slots, skipped, receipt, allocated_at FROM allocations WHERE purchase_id = ?1",
        ],
        breaks: &[Once, NothingVanishes, NoDoubleBooking],
    },
    Damage {
        what: "an allocation is for another student",
        find: "SELECT a.id, a.id, 'student:stu_other' FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id",
        statements: &["UPDATE allocations SET student_id = 'stu_other' WHERE id = ?1"],
        breaks: &[Once, NoDoubleBooking],
    },
    Damage {
        what: "a slot is another one",
        find: "SELECT a.id, 'trainer:' || a.trainer_id, a.id, s.id FROM {UNDER_WAY} p
               JOIN allocations a ON a.purchase_id = p.id JOIN sessions s ON s.purchase_id = p.id AND s.ordinal = 1",
        statements: &["UPDATE allocations SET slots = json_set(slots, '$[0].at', '03:15', '$[1].at', '03:15') WHERE id = ?1"],
        breaks: &[NoDoubleBooking, WholePlanFits, Occurrences],
    },
    Damage {
        what: "a slot is missing",
        find: "SELECT a.id, 'trainer:' || a.trainer_id, a.id, s.id, p.id FROM {UNDER_WAY} p
               JOIN allocations a ON a.purchase_id = p.id JOIN sessions s ON s.purchase_id = p.id AND s.ordinal = 3",
        statements: &["UPDATE allocations SET slots = json_remove(slots, '$[1]') WHERE id = ?1"],
        breaks: &[NoDoubleBooking, WholePlanFits, Occurrences, RollingWindow],
    },
    Damage {
        what: "a plan starts before it was allocated",
        find: "SELECT p.id, 'trainer:' || a.trainer_id, p.id, p.id FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id",
        statements: &[
            "UPDATE allocations SET start_date = '2026-09-01' WHERE purchase_id = ?1",
            "UPDATE purchases SET start_date = '2026-09-01' WHERE id = ?1",
        ],
        breaks: &[NoDoubleBooking, Occurrences, RollingWindow],
    },
    Damage {
        what: "a purchase's start date is not its allocation's",
        find: "SELECT p.id, p.id FROM {UNDER_WAY} p",
        statements: &["UPDATE purchases SET start_date = '2026-12-02' WHERE id = ?1"],
        breaks: &[Occurrences],
    },
    Damage {
        what: "a day off is not skipped",
        find: "SELECT a.id, 'trainer:' || a.trainer_id, a.id, a.id, p.id FROM allocations a
               JOIN purchases p ON p.id = a.purchase_id AND p.status = 'scheduled' WHERE {SKIPPING} LIMIT 1",
        statements: &["UPDATE allocations SET skipped = receipt ->> '$.skipped_for_closures' WHERE id = ?1"],
        breaks: &[NoDoubleBooking, WholePlanFits, Occurrences, RollingWindow],
    },
    Damage {
        what: "a date is skipped without a reason",
        find: "SELECT a.id, 'trainer:' || a.trainer_id, a.id, p.id FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id",
        statements: &["UPDATE allocations SET skipped = json_insert(skipped, '$[#]',
            (SELECT local_date FROM sessions s WHERE s.purchase_id = allocations.purchase_id AND s.ordinal = 2)) WHERE id = ?1"],
        breaks: &[NoDoubleBooking, Occurrences, RollingWindow],
    },
    Damage {
        what: "more dates are skipped for time off than allowed",
        find: "SELECT id, id, id FROM allocations WHERE {SKIPPING} LIMIT 1",
        statements: &["UPDATE allocations SET receipt = json_set(receipt, '$.skipped_for_time_off',
            json('[\"2026-12-08\",\"2026-12-09\",\"2026-12-10\"]')) WHERE id = ?1"],
        breaks: &[WholePlanFits, Occurrences],
    },
    Damage {
        what: "a trainer was allowed fewer sessions a week",
        find: "SELECT a.id, a.id FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id",
        statements: &["UPDATE allocations SET receipt = json_set(receipt, '$.trainer.max_sessions_per_week', 1) WHERE id = ?1"],
        breaks: &[WholePlanFits],
    },
    Damage {
        what: "a trainer was not available",
        find: "SELECT a.id, a.id FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id",
        statements: &["UPDATE allocations SET receipt = json_set(receipt, '$.trainer.availability',
            json('[{\"weekday\":\"sun\",\"from\":\"22:00\",\"until\":\"02:00\"}]')) WHERE id = ?1"],
        breaks: &[WholePlanFits],
    },
    Damage {
        what: "a trainer's zone was another",
        find: "SELECT a.id, a.id FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id",
        statements: &["UPDATE allocations SET receipt = json_set(receipt, '$.trainer.time_zone', 'Pacific/Auckland') WHERE id = ?1"],
        breaks: &[WholePlanFits],
    },
    Damage {
        what: "a trainer was off",
        find: "SELECT a.id, a.id FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id",
        statements: &["UPDATE allocations SET receipt = json_set(receipt, '$.trainer.time_off',
            json('[{\"from\":\"2026-01-01\",\"until\":\"2028-01-01\"}]')) WHERE id = ?1"],
        breaks: &[WholePlanFits],
    },
    Damage {
        what: "a trainer does not teach the course",
        find: "SELECT a.id, a.id FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id",
        statements: &["UPDATE allocations SET receipt = json_set(receipt, '$.trainer.courses[0].levels[0]', 'expert') WHERE id = ?1"],
        breaks: &[WholePlanFits],
    },
    Damage {
        what: "trainer and student can't talk",
        find: "SELECT a.id, a.id FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id",
        statements: &["UPDATE allocations SET receipt = json_set(receipt, '$.trainer.languages[0]', 'fi') WHERE id = ?1"],
        breaks: &[WholePlanFits],
    },
    Damage {
        what: "a receipt is of another trainer",
        find: "SELECT a.id, a.id FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id",
        statements: &["UPDATE allocations SET receipt = json_set(receipt, '$.trainer.trainer_id', 'trn_other') WHERE id = ?1"],
        breaks: &[WholePlanFits],
    },
    Damage {
        what: "a receipt can't be read",
        find: "SELECT a.id, 'trainer:' || a.trainer_id, p.id FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id",
        statements: &["UPDATE allocations SET receipt = '{' WHERE id = ?1"],
        breaks: &[NoDoubleBooking, Occurrences],
    },
    Damage {
        what: "what has no end is not reserved a year ahead",
        find: "SELECT a.id, 'trainer:' || a.trainer_id, p.id FROM purchases p JOIN allocations a ON a.purchase_id = p.id
               WHERE p.sessions_total IS NULL AND p.status = 'scheduled'",
        statements: &["UPDATE allocations SET sessions = sessions - 3 WHERE id = ?1"],
        breaks: &[NoDoubleBooking, RollingWindow],
    },
    Damage {
        what: "what has no end is over",
        find: "SELECT p.id, p.id FROM purchases p WHERE p.sessions_total IS NULL AND p.status = 'scheduled'",
        statements: &["UPDATE purchases SET status = 'completed' WHERE id = ?1"],
        breaks: &[RollingWindow],
    },
    Damage {
        what: "what has no end has a total",
        find: "SELECT p.id, p.id FROM purchases p WHERE p.sessions_total IS NULL AND p.status = 'scheduled'",
        statements: &["UPDATE purchases SET sessions_total = 500 WHERE id = ?1"],
        breaks: &[Occurrences],
    },
    Damage {
        what: "a purchase has more sessions than were confirmed",
        find: "SELECT p.id, p.id FROM {UNDER_WAY} p",
        statements: &["UPDATE purchases SET sessions_total = sessions_total + 1 WHERE id = ?1"],
        breaks: &[Occurrences],
    },
    Damage {
        what: "a purchase is of another payment",
        find: "SELECT p.id, p.id FROM {UNDER_WAY} p",
        statements: &["UPDATE purchases SET payment_id = 'pay_other' WHERE id = ?1"],
        breaks: &[Once],
    },
    Damage {
        what: "a purchase says something else than its payment",
        find: "SELECT p.id, r.place FROM {UNDER_WAY} p
               JOIN {PLACED} r ON r.topic = 'purchase-confirmed' AND r.key = p.payment_id",
        statements: &["UPDATE confirmations SET confirmation = json_set(confirmation, '$.amount.minor', 5)
            WHERE seq = (SELECT seq FROM purchases WHERE id = ?1)"],
        breaks: &[NothingVanishes],
    },
    Damage {
        what: "a refund is gone",
        find: "SELECT f.id, r.place FROM refunds f
               JOIN {PLACED} r ON r.topic = 'purchase-refunded' AND r.key = f.payment_id WHERE f.state = 'open'",
        statements: &["DELETE FROM refunds WHERE id = ?1"],
        breaks: &[NothingVanishes],
    },
    Damage {
        what: "a refund is of another amount than was reported",
        find: "SELECT f.id, r.place FROM refunds f
               JOIN {PLACED} r ON r.topic = 'purchase-refunded' AND r.key = f.payment_id WHERE f.state = 'open'",
        statements: &["UPDATE refunds SET amount = amount + 1 WHERE id = ?1"],
        breaks: &[NothingVanishes],
    },
    Damage {
        what: "a refund may return, though it was reported for good",
        find: "SELECT f.id, r.place FROM refunds f
               JOIN {PLACED} r ON r.topic = 'purchase-refunded' AND r.key = f.payment_id WHERE f.state = 'open'",
        statements: &["UPDATE refunds SET provisional = NOT provisional WHERE id = ?1"],
        breaks: &[NothingVanishes],
    },
    Damage {
        what: "a purchase is called off for what may return",
        find: "SELECT f.id, f.id, r.place FROM refunds f
               JOIN {PLACED} r ON r.topic = 'purchase-refunded' AND r.key = f.payment_id WHERE f.state = 'applied'",
        statements: &["UPDATE refunds SET provisional = NOT provisional WHERE id = ?1"],
        breaks: &[NothingVanishes],
    },
    Damage {
        what: "a refund of a part counts as the whole",
        find: "SELECT id, id FROM refunds WHERE state = 'open'",
        statements: &["UPDATE refunds SET state = 'applied' WHERE id = ?1"],
        breaks: &[NothingVanishes],
    },
    Damage {
        what: "a refund is kept though its payment is known",
        find: "SELECT id, id FROM refunds WHERE state = 'open'",
        statements: &["UPDATE refunds SET state = 'kept' WHERE id = ?1"],
        breaks: &[NothingVanishes],
    },
    Damage {
        what: "a person is to decide about a payment that nobody knows",
        find: "SELECT id, id FROM refunds WHERE state = 'kept'",
        statements: &["UPDATE refunds SET state = 'open' WHERE id = ?1"],
        breaks: &[NothingVanishes],
    },
    Damage {
        what: "a purchase that waits is gone",
        find: "SELECT p.id, p.id, r.place FROM purchases p
               JOIN {PLACED} r ON r.topic = 'purchase-confirmed' AND r.key = p.payment_id
               WHERE p.status = 'waitlisted'",
        statements: &["DELETE FROM purchases WHERE id = ?1"],
        breaks: &[Once, NothingVanishes],
    },
    Damage {
        what: "a purchase that is allocated is gone",
        find: "SELECT p.id, s.id, r.place, 'trainer:' || s.trainer_id FROM {UNDER_WAY} p
               JOIN sessions s ON s.purchase_id = p.id AND s.ordinal = 1
               JOIN {PLACED} r ON r.topic = 'trainer-allocated' AND r.key = CAST(p.id AS TEXT)",
        statements: &["DELETE FROM purchases WHERE id = ?1"],
        breaks: &[Once, NothingVanishes, NoDoubleBooking],
    },
    Damage {
        what: "a purchase that waits is not on the waitlist",
        find: "SELECT purchase_id, purchase_id FROM waitlist",
        statements: &["DELETE FROM waitlist WHERE purchase_id = ?1"],
        breaks: &[Once],
    },
    Damage {
        what: "a dead letter is gone",
        find: "SELECT id, topic || '/' || partition || '@' || log_offset FROM dead_letters WHERE reason = 'invalid-json'",
        statements: &["DELETE FROM dead_letters WHERE id = ?1"],
        breaks: &[NothingVanishes],
    },
    Damage {
        what: "a conflicting payment is no dead letter",
        find: "SELECT id, topic || '/' || partition || '@' || log_offset FROM dead_letters WHERE reason = 'conflicting-payment'",
        statements: &["DELETE FROM dead_letters WHERE id = ?1"],
        breaks: &[NothingVanishes],
    },
    Damage {
        what: "a dead letter has another value than on the queue",
        find: "SELECT id, 'dead-letter:' || id FROM dead_letters WHERE reason = 'invalid-field'",
        statements: &["UPDATE dead_letters SET value = X'7B7D' WHERE id = ?1"],
        breaks: &[NothingVanishes],
    },
    Damage {
        what: "a position is beyond the end of the log",
        find: "SELECT '', consumer_group || ' ' || topic || '/' || partition FROM positions
               WHERE consumer_group = 'purchase-creation-workers' AND partition = 1",
        statements: &["UPDATE positions SET next_offset = next_offset + 1
                       WHERE consumer_group = 'purchase-creation-workers' AND partition = 1"],
        breaks: &[NothingVanishes],
    },
    Damage {
        what: "a position is of another topic of the same name",
        find: "SELECT '', consumer_group || ' ' || topic || '/' || partition FROM positions
               WHERE consumer_group = 'session-scheduling-workers' AND topic = 'trainer-allocated' AND partition = 0",
        statements: &["UPDATE positions SET topic_id = '00000000-0000-4000-8000-000000000000'
                       WHERE consumer_group = 'session-scheduling-workers' AND topic = 'trainer-allocated' AND partition = 0"],
        breaks: &[NothingVanishes],
    },
    Damage {
        what: "the cache worker's position is beyond the end of the log",
        find: "SELECT '', 'cache-invalidation-workers purchase-created/2'",
        statements: &["UPDATE positions SET next_offset = next_offset + 1
                       WHERE consumer_group = 'cache-invalidation-workers' AND topic = 'purchase-created' AND partition = 2"],
        breaks: &[Freshness],
    },
    Damage {
        what: "a creation is told by two events",
        find: "SELECT r.id, p.id FROM {UNDER_WAY} p JOIN {PLACED} r ON r.topic = 'purchase-created' AND r.key = CAST(p.id AS TEXT)",
        statements: &["INSERT INTO outbox (topic, key, value, headers, timestamp)
            SELECT 'purchase-created', key, value, json_replace(headers, '$[1][1]', '00000000-0000-4000-8000-000000000000'), timestamp
            FROM log_records WHERE id = ?1"],
        breaks: &[Once],
    },
    Damage {
        what: "the same sessions are told by two events",
        find: "SELECT r.id, p.id FROM {UNDER_WAY} p JOIN {PLACED} r ON r.topic = 'sessions-scheduled' AND r.key = CAST(p.id AS TEXT)
               ORDER BY r.id LIMIT 1",
        statements: &["INSERT INTO outbox (topic, key, value, headers, timestamp)
            SELECT 'sessions-scheduled', key, value, json_replace(headers, '$[1][1]', '00000000-0000-4000-8000-000000000000'), timestamp
            FROM log_records WHERE id = ?1"],
        breaks: &[Once],
    },
    Damage {
        what: "an event is republished with another content",
        find: "SELECT r.id, r.headers ->> '$[1][1]' FROM {UNDER_WAY} p
               JOIN {PLACED} r ON r.topic = 'trainer-allocated' AND r.key = CAST(p.id AS TEXT)",
        statements: &["INSERT INTO outbox (topic, key, value, headers, timestamp)
            SELECT 'trainer-allocated', key, CAST(value || ' ' AS BLOB), headers, timestamp FROM log_records WHERE id = ?1"],
        breaks: &[Once],
    },
    Damage {
        what: "a purchase was never told of",
        find: "SELECT r.id, p.id FROM {UNDER_WAY} p JOIN {PLACED} r ON r.topic = 'purchase-created' AND r.key = CAST(p.id AS TEXT)",
        statements: &["DELETE FROM log_records WHERE id = ?1"],
        breaks: &[NothingVanishes],
    },
    Damage {
        what: "an allocation was never told of",
        find: "SELECT r.id, a.id FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id
               JOIN {PLACED} r ON r.topic = 'trainer-allocated' AND r.key = CAST(p.id AS TEXT)",
        statements: &["DELETE FROM log_records WHERE id = ?1"],
        breaks: &[NothingVanishes],
    },
    Damage {
        what: "sessions were never told of",
        find: "SELECT r.id, s.id FROM {UNDER_WAY} p JOIN sessions s ON s.purchase_id = p.id AND s.ordinal = 1
               JOIN {PLACED} r ON r.topic = 'sessions-scheduled' AND r.key = CAST(p.id AS TEXT) ORDER BY r.id LIMIT 1",
        statements: &["DELETE FROM log_records WHERE id = ?1"],
        breaks: &[NothingVanishes],
    },
];
