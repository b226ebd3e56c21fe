-- What is kept for those who come in over HTTP. Of a secret only its SHA-256 is kept.
CREATE TABLE tokens (
    -- The order of their making: lists go by it.
    seq        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    -- ingest, read, operate, admin
    role       TEXT NOT NULL,
    digest     BLOB NOT NULL UNIQUE,
    created_at TEXT NOT NULL,
    revoked_at TEXT
);

-- Addresses of calendars, for whoever knows the secret in them.
CREATE TABLE feeds (
    seq        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    -- 'trainer:ID' or 'student:ID', as in reservations.
    party      TEXT NOT NULL,
    digest     BLOB NOT NULL UNIQUE,
    created_at TEXT NOT NULL,
    revoked_at TEXT
);

CREATE INDEX feeds_by_party ON feeds (party);

-- Plans kept before the customer pays.
CREATE TABLE orders (
    seq        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    -- JSON: what was ordered.
    content    TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    payment_id TEXT,
    paid_at    TEXT
);

-- Those nobody has paid are forgotten some time after they have expired.
CREATE INDEX orders_unpaid ON orders (expires_at) WHERE payment_id IS NULL;

-- Reports of a payment that name no order are about the one it has paid.
CREATE INDEX orders_by_payment ON orders (payment_id) WHERE payment_id IS NOT NULL;

-- The first answers to requests that had an Idempotency-Key, each kept in the transaction of its effect.
CREATE TABLE answers (
    seq      INTEGER PRIMARY KEY,
    token_id TEXT NOT NULL,
    key      TEXT NOT NULL,
    -- SHA-256 of the request.
    request  BLOB NOT NULL,
    status   INTEGER NOT NULL,
    body     TEXT NOT NULL,
    given_at TEXT NOT NULL,
    UNIQUE (token_id, key)
);

CREATE INDEX answers_by_time ON answers (given_at);

-- When a purchase's first window was put in the calendar.
ALTER TABLE purchases ADD COLUMN scheduled_at TEXT;
-- Lists by day. It only grows at its end.
CREATE INDEX purchases_by_time ON purchases (created_at);
-- What became of one payment or purchase.
CREATE INDEX dead_letters_by_key ON dead_letters (key);
