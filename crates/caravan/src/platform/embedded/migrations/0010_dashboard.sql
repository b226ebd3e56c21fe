-- What a web page for people needs: who is signed in, and lists that stay quick however much there is.
CREATE TABLE sign_ins (
    -- SHA-256 of the cookie's secret.
    digest       BLOB PRIMARY KEY NOT NULL,
    token_id     TEXT NOT NULL,
    signed_in_at TEXT NOT NULL,
    expires_at   TEXT NOT NULL
) WITHOUT ROWID;

-- They are forgotten when they have expired.
CREATE INDEX sign_ins_by_expiry ON sign_ins (expires_at);

-- What waits for a person: listed by id, and counted from the index alone. None of these is written where all goes well.
CREATE INDEX dead_letters_waiting ON dead_letters (redriven_at, id, reason, topic, failed_at) WHERE redriven_at IS NULL;
CREATE INDEX refunds_by_state ON refunds (state);
CREATE INDEX waitlist_by_time ON waitlist (waitlisted_at, purchase_id);

-- Lists by status, from either end. A purchase passes through it on its way to 'scheduled', always at the end of its status:
-- few pages that a batch shares, less than a hundredth of what it writes. The condition always holds, and only a statement
-- that repeats it goes by this index: what the workers ask by status besides an id has better ways, and without statistics
-- SQLite would take the status for the narrower one.
CREATE INDEX purchases_by_status ON purchases (status) WHERE status <> '';
