-- What a web page for people needs: who is signed in, and lists that stay quick however much there is.
CREATE TABLE sign_ins (
    -- SHA-256 of the cookie's secret.
    digest       bytea PRIMARY KEY,
    token_id     uuid NOT NULL,
    signed_in_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL
);

-- They are forgotten when they have expired.
CREATE INDEX sign_ins_by_expiry ON sign_ins (expires_at);

-- What waits for a person: listed by id, and counted from the index alone. None of these is written where all goes well.
CREATE INDEX dead_letters_waiting ON dead_letters (id) INCLUDE (reason, topic, failed_at) WHERE redriven_at IS NULL;
CREATE INDEX refunds_by_state ON refunds (state, seq);
CREATE INDEX waitlist_by_time ON waitlist (waitlisted_at, purchase_id);

-- Lists by status, from either end. It is the dearest of them: a row whose status changes now gets new entries in every
-- index of its table, which is about a sixth more to log for a purchase with its allocation and first sessions. An index of the
-- rarer statuses alone would cost nearly the same, as its condition counts as well, and the common ones lie apart by age:
-- those completed are behind all that are not, from the newest on.
CREATE INDEX purchases_by_status ON purchases (status, seq);
