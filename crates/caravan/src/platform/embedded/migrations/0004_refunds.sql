-- What the payment side has given back, each refund once.
CREATE TABLE refunds (
    -- The order of their recording: lists page by it.
    seq         INTEGER PRIMARY KEY,
    -- uuid5 of the purchase's id and "refund:" with refund_id.
    id          TEXT NOT NULL UNIQUE,
    -- Whether there is such a purchase yet or not.
    purchase_id TEXT NOT NULL,
    payment_id  TEXT NOT NULL,
    item        TEXT,
    refund_id   TEXT NOT NULL,
    -- In minor units of the currency.
    amount      INTEGER NOT NULL,
    currency    TEXT NOT NULL,
    refunded_at TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    reason      TEXT,
    -- JSON: the payment side's own texts.
    metadata    TEXT NOT NULL,
    -- kept (its payment is not known yet), open (a person is to decide), applied (the purchase is called off), settled
    state       TEXT NOT NULL,
    settled_at  TEXT,
    settled_by  TEXT,
    note        TEXT
);

CREATE INDEX refunds_by_purchase ON refunds (purchase_id);
