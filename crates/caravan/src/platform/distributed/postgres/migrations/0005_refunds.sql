-- What the payment side has given back, each refund once.
CREATE TABLE refunds (
    -- The order of their recording: lists page by it.
    seq         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- uuid5 of the purchase's id and "refund:" with refund_id.
    id          uuid NOT NULL UNIQUE,
    -- Whether there is such a purchase yet or not.
    purchase_id uuid NOT NULL,
    payment_id  text NOT NULL,
    item        text,
    refund_id   text NOT NULL,
    -- In minor units of the currency.
    amount      bigint NOT NULL,
    currency    text NOT NULL,
    refunded_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    reason      text,
    -- JSON: the payment side's own texts.
    metadata    text NOT NULL,
    -- kept (its payment is not known yet), open (a person is to decide), applied (the purchase is called off), settled
    state       text NOT NULL,
    settled_at  timestamptz,
    settled_by  text,
    note        text
);

CREATE INDEX refunds_by_purchase ON refunds (purchase_id);
