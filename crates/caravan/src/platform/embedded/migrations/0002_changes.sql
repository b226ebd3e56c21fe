-- What people change of a purchase after it was bought, with who and why: one row for each revision it led to.
CREATE TABLE purchase_changes (
    -- purchases.seq
    purchase       INTEGER NOT NULL,
    revision       INTEGER NOT NULL,
    -- cancelled
    kind           TEXT NOT NULL,
    changed_at     TEXT NOT NULL,
    actor          TEXT NOT NULL,
    reason         TEXT NOT NULL,
    -- From which date on it counts, in the student's zone.
    effective_from TEXT,
    PRIMARY KEY (purchase, revision)
) WITHOUT ROWID;

-- An allocation that ended before its plan: the first date without sessions, and when that was decided (what had begun by
-- then was held). Its status is 'ended'.
ALTER TABLE allocations ADD COLUMN ended_from TEXT;
ALTER TABLE allocations ADD COLUMN ended_at TEXT;
