-- What people change of a purchase after it was bought, with who and why: one row for each revision it led to.
CREATE TABLE purchase_changes (
    -- purchases.seq
    purchase       bigint NOT NULL,
    revision       bigint NOT NULL,
    -- cancelled
    kind           text NOT NULL,
    changed_at     timestamptz NOT NULL,
    actor          text NOT NULL,
    reason         text NOT NULL,
    -- From which date on it counts, in the student's zone.
    effective_from date,
    PRIMARY KEY (purchase, revision)
);

-- An allocation that ended before its plan: the first date without sessions, and when that was decided (what had begun by
-- then was held). Its status is 'ended'.
ALTER TABLE allocations ADD COLUMN ended_from date;
ALTER TABLE allocations ADD COLUMN ended_at timestamptz;
