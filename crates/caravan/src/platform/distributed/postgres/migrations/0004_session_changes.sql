-- How sessions stand that people have changed: one row for each session and revision it led to. The latest of a session
-- counts, whether it stands in the calendar already or is put there later.
CREATE TABLE session_changes (
    -- purchases.seq << 16 | ordinal, as in sessions.
    seq               bigint NOT NULL,
    revision          bigint NOT NULL,
    before_trainer_id text NOT NULL,
    before_starts_at  timestamptz NOT NULL,
    before_ends_at    timestamptz NOT NULL,
    before_status     text NOT NULL,
    trainer_id        text NOT NULL,
    starts_at         timestamptz NOT NULL,
    ends_at           timestamptz NOT NULL,
    status            text NOT NULL,
    -- JSON: the trainer as the roster had them when they were judged for it.
    terms             text,
    PRIMARY KEY (seq, revision)
);

-- A trainer's sessions in the plans of others.
CREATE INDEX session_changes_by_trainer ON session_changes (trainer_id);

-- The rules a person decided against, as a JSON list of names.
ALTER TABLE purchase_changes ADD COLUMN overrides text NOT NULL DEFAULT '[]';

-- When the plan had a session start that was moved; null where that is starts_at.
ALTER TABLE sessions ADD COLUMN planned_starts_at timestamptz;

-- The ordinal of an allocation's first session, and how many it has; null: as many as were bought.
ALTER TABLE allocations ADD COLUMN first_ordinal bigint NOT NULL DEFAULT 1;
ALTER TABLE allocations ADD COLUMN sessions bigint;

-- What people have changed of a purchase's sessions, with when and against which rules, as a JSON list: for the audit.
CREATE FUNCTION caravan_session_changes(place bigint) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(json_agg(json_build_array(x.seq & 65535, x.revision, x.trainer_id, caravan_second(x.starts_at),
                                              caravan_second(x.ends_at), x.status, x.terms, caravan_instant(n.changed_at), n.overrides)),
                    '[]')::text
    FROM session_changes x LEFT JOIN purchase_changes n ON n.purchase = x.seq >> 16 AND n.revision = x.revision
    WHERE x.seq > place << 16 AND x.seq < (place + 1) << 16
$$;
