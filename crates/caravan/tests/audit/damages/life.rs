//! Ways to damage what people have changed after an allocation.

use caravan::audit::Guarantee::{NoDoubleBooking, NothingVanishes, Occurrences, Once, RollingWindow, WholePlanFits};

use super::Damage;

pub(crate) const DAMAGES: &[Damage] = &[
    Damage {
        what: "a session that was called off stands again",
        find: "SELECT s.id, s.id, s.id FROM sessions s WHERE s.status = 'cancelled' ORDER BY s.ordinal LIMIT 1",
        statements: &["UPDATE sessions SET status = 'scheduled' WHERE id = ?1"],
        breaks: &[Once, Occurrences],
    },
    Damage {
        what: "a session that was held before its plan was called off is called off",
        find: "SELECT s.id, s.id FROM purchases p JOIN sessions s ON s.purchase_id = p.id AND s.ordinal = 1
               WHERE p.status = 'cancelled'",
        statements: &["UPDATE sessions SET status = 'cancelled' WHERE id = ?1"],
        breaks: &[Occurrences],
    },
    Damage {
        what: "nobody knows who called a plan off",
        find: "SELECT p.id, p.id FROM purchases p WHERE p.status = 'cancelled'",
        statements: &["DELETE FROM purchase_changes WHERE purchase = (SELECT seq FROM purchases WHERE id = ?1)"],
        breaks: &[Once],
    },
    Damage {
        what: "the end of a plan was earlier than it was",
        find: "SELECT a.id, 'trainer:' || a.trainer_id, s.id FROM allocations a
               JOIN sessions s ON s.purchase_id = a.purchase_id AND s.ordinal = 1 WHERE a.status = 'ended'",
        statements: &["UPDATE allocations SET ended_from = '2026-11-24', ended_at = '2026-11-24T00:00:00Z' WHERE id = ?1"],
        breaks: &[NoDoubleBooking, Occurrences],
    },
    Damage {
        what: "nobody knows where the plan had a session that was moved",
        find: "SELECT s.id, s.id FROM sessions s WHERE s.planned_starts_at IS NOT NULL",
        statements: &["UPDATE sessions SET planned_starts_at = NULL WHERE id = ?1"],
        breaks: &[Occurrences],
    },
    Damage {
        what: "a session that was moved is with somebody else",
        find: "SELECT s.id, s.id FROM sessions s WHERE s.planned_starts_at IS NOT NULL",
        statements: &["UPDATE sessions SET trainer_id = 'trn_nobody' WHERE id = ?1"],
        breaks: &[Once],
    },
    Damage {
        what: "a session was moved to where its trainer was not available",
        find: "SELECT p.id, a.id FROM session_changes x JOIN purchases p ON p.seq = x.seq >> 16
               JOIN allocations a ON a.purchase_id = p.id AND a.status = 'active' WHERE x.terms IS NOT NULL",
        statements: &["UPDATE session_changes SET terms = replace(terms, '21:00', '09:00')
                       WHERE seq >> 16 = (SELECT seq FROM purchases WHERE id = ?1)"],
        breaks: &[WholePlanFits],
    },
    Damage {
        what: "no event tells of a change",
        find: "SELECT p.id, p.id FROM session_changes x JOIN purchases p ON p.seq = x.seq >> 16",
        statements: &[
            "UPDATE session_changes SET revision = revision + 100 WHERE seq >> 16 = (SELECT seq FROM purchases WHERE id = ?1)",
            "UPDATE purchase_changes SET revision = revision + 100 WHERE purchase = (SELECT seq FROM purchases WHERE id = ?1)",
        ],
        breaks: &[NothingVanishes],
    },
    Damage {
        what: "no event tells that time zone data moved a plan",
        find: "SELECT p.id, p.id FROM session_changes x JOIN purchases p ON p.seq = x.seq >> 16",
        statements: &["INSERT INTO purchase_changes (purchase, revision, kind, changed_at, actor, reason)
                       SELECT seq, 500, 'time-data', '2027-01-11T10:00:00Z', 'ann', 'x' FROM purchases WHERE id = ?1"],
        breaks: &[NothingVanishes],
    },
    Damage {
        what: "what time zone data left where it was is with somebody else",
        find: "SELECT p.id, s.id, 'trainer:trn_nobody', a.id FROM session_changes x JOIN purchases p ON p.seq = x.seq >> 16
               JOIN allocations a ON a.purchase_id = p.id AND a.status = 'active'
               JOIN sessions s ON s.purchase_id = p.id AND s.planned_starts_at IS NOT NULL",
        statements: &[
            "UPDATE purchase_changes SET kind = 'time-data' WHERE purchase = (SELECT seq FROM purchases WHERE id = ?1)",
            "UPDATE session_changes SET terms = NULL, trainer_id = 'trn_nobody'
             WHERE seq >> 16 = (SELECT seq FROM purchases WHERE id = ?1)",
        ],
        breaks: &[Once, NoDoubleBooking, WholePlanFits],
    },
    Damage {
        what: "a plan that moved in began earlier",
        find: "SELECT a.id, s.id, p.id, p.id FROM allocations a JOIN purchases p ON p.id = a.purchase_id
               JOIN sessions s ON s.purchase_id = p.id AND s.ordinal = a.first_ordinal WHERE a.first_ordinal > 1 AND a.generation = 1",
        statements: &["UPDATE allocations SET first_ordinal = first_ordinal - 1 WHERE id = ?1"],
        breaks: &[Once, Occurrences, RollingWindow],
    },
    Damage {
        what: "the first session of a plan that moved in is gone",
        find: "SELECT s.id, n.id, p.id FROM allocations a JOIN purchases p ON p.id = a.purchase_id
               JOIN sessions s ON s.purchase_id = p.id AND s.ordinal = a.first_ordinal
               JOIN sessions n ON n.purchase_id = p.id AND n.ordinal = a.first_ordinal + 1 WHERE a.first_ordinal > 1 AND a.generation = 1",
        statements: &["DELETE FROM sessions WHERE id = ?1"],
        breaks: &[Once, RollingWindow],
    },
    Damage {
        what: "a plan that was given away keeps one session more",
        find: "SELECT a.id, 'trainer:' || a.trainer_id FROM allocations a
               JOIN allocations b ON b.purchase_id = a.purchase_id AND b.status = 'active' AND b.trainer_id <> a.trainer_id
               WHERE a.status = 'superseded'",
        statements: &["UPDATE allocations SET sessions = sessions + 1 WHERE id = ?1"],
        breaks: &[NoDoubleBooking],
    },
    Damage {
        what: "what was given away is still with the one before",
        find: "SELECT s.id, s.id FROM allocations a
               JOIN allocations b ON b.purchase_id = a.purchase_id AND b.status = 'active' AND b.trainer_id <> a.trainer_id
               JOIN sessions s ON s.purchase_id = a.purchase_id AND s.ordinal = a.first_ordinal + a.sessions
               WHERE a.status = 'superseded'",
        statements: &["UPDATE sessions SET trainer_id = (SELECT a.trainer_id FROM allocations a
                       WHERE a.purchase_id = sessions.purchase_id AND a.status = 'superseded') WHERE id = ?1"],
        breaks: &[Once],
    },
    Damage {
        what: "what a plan was lengthened to is forgotten",
        find: "SELECT a.id, a.id FROM allocations a JOIN purchases p ON p.id = a.purchase_id
               WHERE a.status = 'active' AND a.generation > 1 AND p.sessions_total > 24",
        statements: &["UPDATE allocations SET ordered = NULL WHERE id = ?1",
                      "UPDATE confirmations SET amended = NULL
                       WHERE seq = (SELECT seq >> 16 FROM allocations WHERE id = ?1)"],
        breaks: &[WholePlanFits],
    },
];
