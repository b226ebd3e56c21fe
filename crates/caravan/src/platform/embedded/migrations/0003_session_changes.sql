-- How sessions stand that people have changed: one row for each session and revision it led to. The latest of a session
-- counts, whether it stands in the calendar already or is put there later.
CREATE TABLE session_changes (
    -- purchases.seq << 16 | ordinal, as in sessions.
    seq               INTEGER NOT NULL,
    revision          INTEGER NOT NULL,
    before_trainer_id TEXT NOT NULL,
    before_starts_at  TEXT NOT NULL,
    before_ends_at    TEXT NOT NULL,
    before_status     TEXT NOT NULL,
    trainer_id        TEXT NOT NULL,
    starts_at         TEXT NOT NULL,
    ends_at           TEXT NOT NULL,
    status            TEXT NOT NULL,
    -- JSON: the trainer as the roster had them when they were judged for it.
    terms             TEXT,
    PRIMARY KEY (seq, revision)
) WITHOUT ROWID;

-- A trainer's sessions in the plans of others.
CREATE INDEX session_changes_by_trainer ON session_changes (trainer_id);

-- The rules a person decided against, as a JSON list of names.
ALTER TABLE purchase_changes ADD COLUMN overrides TEXT NOT NULL DEFAULT '[]';

-- When the plan had a session start that was moved; null where that is starts_at.
ALTER TABLE sessions ADD COLUMN planned_starts_at TEXT;

-- The ordinal of an allocation's first session, and how many it has; null: as many as were bought.
ALTER TABLE allocations ADD COLUMN first_ordinal INTEGER NOT NULL DEFAULT 1;
ALTER TABLE allocations ADD COLUMN sessions INTEGER;
