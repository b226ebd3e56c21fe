-- The whole of an embedded Caravan: what has happened, and the log that tells of it.
--
-- Instants are TEXT, RFC 3339 in UTC with a fixed width, so that they sort as they read: whole
-- seconds for sessions, microseconds elsewhere. Dates are TEXT YYYY-MM-DD. Ids are TEXT,
-- lower-case and hyphenated. There are no foreign keys: they halve the speed of writing, and one
-- transaction writes all that belongs together.

-- "Crvn": lets `file` and people tell whose database this is.
PRAGMA application_id = 1131574894;

---- The log -------------------------------------------------------------------------------------

CREATE TABLE log_topics (
    name TEXT PRIMARY KEY NOT NULL,
    -- A topic made again under the same name has another: positions taken on the old one show.
    id   TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE log_partitions (
    -- AUTOINCREMENT: never given twice, so records of a deleted topic can't come back in another.
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    topic        TEXT NOT NULL,
    partition    INTEGER NOT NULL,
    start_offset INTEGER NOT NULL DEFAULT 0,
    end_offset   INTEGER NOT NULL DEFAULT 0,
    CHECK (0 <= start_offset AND start_offset <= end_offset),
    UNIQUE (topic, partition)
);

-- One b-tree for all partitions: a partition's records lie together, in order, and are appended.
CREATE TABLE log_records (
    -- log_partitions.id << 40 | offset
    id        INTEGER PRIMARY KEY,
    key       BLOB,
    value     BLOB,
    headers   TEXT NOT NULL,
    -- Milliseconds since the Unix epoch.
    timestamp INTEGER NOT NULL
);

CREATE TABLE positions (
    consumer_group TEXT NOT NULL,
    topic          TEXT NOT NULL,
    partition      INTEGER NOT NULL,
    next_offset    INTEGER NOT NULL,
    topic_id       TEXT NOT NULL,
    PRIMARY KEY (consumer_group, topic, partition)
) WITHOUT ROWID;

CREATE TABLE outbox (
    -- AUTOINCREMENT: forgetting rows twice must not hit new ones.
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    topic     TEXT NOT NULL,
    key       BLOB,
    value     BLOB,
    headers   TEXT NOT NULL,
    timestamp INTEGER NOT NULL
);

CREATE TABLE dead_letters (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    topic          TEXT NOT NULL,
    partition      INTEGER NOT NULL,
    log_offset     INTEGER NOT NULL,
    consumer_group TEXT NOT NULL,
    reason         TEXT NOT NULL,
    detail         TEXT NOT NULL,
    attempts       INTEGER NOT NULL,
    redrives       INTEGER NOT NULL,
    key            BLOB,
    value          BLOB,
    headers        TEXT NOT NULL,
    failed_at      TEXT NOT NULL,
    redriven_at    TEXT,
    repaired       BLOB,
    -- A record is set aside once by a group, however often it is delivered.
    UNIQUE (consumer_group, topic, partition, log_offset)
);

---- Purchases -----------------------------------------------------------------------------------

CREATE TABLE purchases (
    -- The order of their recording: lists page by it, and what belongs to a purchase lies in it.
    seq                  INTEGER PRIMARY KEY,
    id                   TEXT NOT NULL UNIQUE,
    payment_id           TEXT NOT NULL,
    item                 TEXT,
    student_id           TEXT NOT NULL,
    status               TEXT NOT NULL,
    -- As it is compared: trimmed, lower-case.
    subject              TEXT NOT NULL,
    level                TEXT NOT NULL,
    time_zone            TEXT NOT NULL,
    requested_start_date TEXT NOT NULL,
    start_date           TEXT,
    horizon              TEXT,
    sessions_total       INTEGER NOT NULL,
    created_at           TEXT NOT NULL,
    -- How many allocations it has had.
    generations          INTEGER NOT NULL DEFAULT 0,
    revision             INTEGER NOT NULL DEFAULT 1
);

-- A student's purchases and sessions; whom they learned a subject with before.
CREATE INDEX purchases_by_student ON purchases (student_id);

-- No index on horizon: every purchase that is under way is due every day, so the cron walks them
-- by id anyway, and the index would be rewritten whole each day.

-- What was confirmed, whole, as JSON. Apart, because purchases are written again and again.
CREATE TABLE confirmations (
    -- purchases.seq
    seq          INTEGER PRIMARY KEY,
    confirmation TEXT NOT NULL
);

CREATE TABLE allocations (
    -- purchases.seq << 16 | generation. Random keys would have every transaction touch as many
    -- pages as it has rows, and more of them the more there is.
    seq          INTEGER PRIMARY KEY,
    id           TEXT NOT NULL,
    purchase_id  TEXT NOT NULL,
    trainer_id   TEXT NOT NULL,
    student_id   TEXT NOT NULL,
    status       TEXT NOT NULL DEFAULT 'active',
    generation   INTEGER NOT NULL,
    start_date   TEXT NOT NULL,
    -- JSON: the chosen weekly times, the dates without a lesson, why this trainer.
    slots        TEXT NOT NULL,
    skipped      TEXT NOT NULL,
    receipt      TEXT NOT NULL,
    allocated_at TEXT NOT NULL
);

-- The rule itself: a purchase has one active allocation at most.
CREATE UNIQUE INDEX allocations_active ON allocations (seq >> 16) WHERE status = 'active';
-- A trainer's purchases, and so their sessions.
CREATE INDEX allocations_by_trainer ON allocations (trainer_id);

CREATE TABLE waitlist (
    purchase_id   TEXT PRIMARY KEY NOT NULL,
    waitlisted_at TEXT NOT NULL,
    seen_version  INTEGER NOT NULL,
    receipt       TEXT NOT NULL
);

-- "Is anybody to be looked at again?" is asked often and mostly answered with no.
CREATE INDEX waitlist_by_version ON waitlist (seen_version);

---- Time ----------------------------------------------------------------------------------------

-- Quarter hours of 64 weeks in a word. Reserving is an upsert that makes `busy` NULL where the
-- time is taken already, so the database refuses a second reservation whoever asks.
CREATE TABLE reservations (
    -- 'trainer:ID' or 'student:ID'
    party  TEXT NOT NULL,
    -- block * 672 + cell, see caravan_domain::allocation::ReservedTime
    key    INTEGER NOT NULL,
    busy   INTEGER NOT NULL,
    starts INTEGER NOT NULL,
    PRIMARY KEY (party, key),
    -- A session can only start where time is reserved.
    CHECK (starts & ~busy = 0)
) WITHOUT ROWID;

CREATE TABLE sessions (
    -- purchases.seq << 16 | ordinal: there is one for each ordinal.
    seq         INTEGER PRIMARY KEY,
    id          TEXT NOT NULL,
    purchase_id TEXT NOT NULL,
    trainer_id  TEXT NOT NULL,
    ordinal     INTEGER NOT NULL,
    local_date  TEXT NOT NULL,
    starts_at   TEXT NOT NULL,
    ends_at     TEXT NOT NULL,
    status      TEXT NOT NULL DEFAULT 'scheduled'
);

-- Lists are by start, and sessions that are over are found from `completion.scheduled_from` on.
-- As a number, because starts come in any order and the whole index is written again and again.
-- Status is not part of it, so that completing a session leaves it alone.
CREATE INDEX sessions_by_start ON sessions (unixepoch(starts_at));

-- No session that starts before this is `scheduled`.
CREATE TABLE completion (
    only           INTEGER PRIMARY KEY CHECK (only = 1),
    scheduled_from TEXT NOT NULL
);
INSERT INTO completion VALUES (1, '9999-12-31T23:59:59Z');

---- The roster ----------------------------------------------------------------------------------

CREATE TABLE trainers (
    id                    TEXT PRIMARY KEY NOT NULL,
    name                  TEXT,
    email                 TEXT,
    time_zone             TEXT NOT NULL,
    -- JSON, as in a roster line.
    languages             TEXT NOT NULL,
    courses               TEXT NOT NULL,
    availability          TEXT NOT NULL,
    time_off              TEXT NOT NULL,
    max_sessions_per_week INTEGER NOT NULL,
    weight                INTEGER NOT NULL,
    active                INTEGER NOT NULL CHECK (active IN (0, 1)),
    share                 INTEGER,
    -- Advanced by every allocation and edit.
    version               INTEGER NOT NULL DEFAULT 1,
    -- The roster's version when they were last edited.
    roster_version        INTEGER NOT NULL
);

-- What changed since a version.
CREATE INDEX trainers_by_roster_version ON trainers (roster_version);

CREATE TABLE closures (
    seq        INTEGER PRIMARY KEY,
    from_date  TEXT NOT NULL,
    until_date TEXT NOT NULL,
    name       TEXT NOT NULL
);

CREATE TABLE roster (
    only    INTEGER PRIMARY KEY CHECK (only = 1),
    version INTEGER NOT NULL
);
INSERT INTO roster VALUES (1, 0);

---- Who does what when --------------------------------------------------------------------------

CREATE TABLE leases (
    name       TEXT PRIMARY KEY NOT NULL,
    holder     TEXT NOT NULL,
    held_until TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE cron (
    only     INTEGER PRIMARY KEY CHECK (only = 1),
    last_due TEXT NOT NULL
);
