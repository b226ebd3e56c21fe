-- What is kept for those who come in over HTTP. Of a secret only its SHA-256 is kept.
CREATE TABLE tokens (
    -- The order of their making: lists go by it.
    seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         uuid NOT NULL UNIQUE,
    name       text NOT NULL,
    -- ingest, read, operate, admin
    role       text NOT NULL,
    digest     bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);

-- Addresses of calendars, for whoever knows the secret in them.
CREATE TABLE feeds (
    seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         uuid NOT NULL UNIQUE,
    -- 'trainer:ID' or 'student:ID', as in reservations.
    party      text NOT NULL,
    digest     bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);

CREATE INDEX feeds_by_party ON feeds (party);

-- Plans kept before the customer pays.
CREATE TABLE orders (
    seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         text NOT NULL UNIQUE,
    -- JSON: what was ordered.
    content    text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    payment_id text,
    paid_at    timestamptz
);

-- Those nobody has paid are forgotten some time after they have expired.
CREATE INDEX orders_unpaid ON orders (expires_at) WHERE payment_id IS NULL;

-- Reports of a payment that name no order are about the one it has paid.
CREATE INDEX orders_by_payment ON orders (payment_id) WHERE payment_id IS NOT NULL;

-- The first answers to requests that had an Idempotency-Key, each kept in the transaction of its effect.
CREATE TABLE answers (
    seq      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_id uuid NOT NULL,
    key      text NOT NULL,
    -- SHA-256 of the request.
    request  bytea NOT NULL,
    status   bigint NOT NULL,
    body     text NOT NULL,
    given_at timestamptz NOT NULL,
    UNIQUE (token_id, key)
);

CREATE INDEX answers_by_time ON answers (given_at);

-- When a purchase's first window was put in the calendar.
ALTER TABLE purchases ADD COLUMN scheduled_at timestamptz;
-- Lists by day. It only grows at its end.
CREATE INDEX purchases_by_time ON purchases (created_at);
-- What became of one payment or purchase.
CREATE INDEX dead_letters_by_key ON dead_letters (key);
