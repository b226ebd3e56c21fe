-- A purchase's rest can be planned anew: the allocation before it is 'superseded', with the sessions that were held by it
-- or stand before the change, and another begins with the next ordinal.
--
-- JSON: the course and the plan an allocation was made for, where they are not those that were confirmed.
ALTER TABLE allocations ADD COLUMN ordered text;
-- JSON: the course and the plan that count since a person changed them; `confirmation` stays what was reported.
ALTER TABLE confirmations ADD COLUMN amended text;
-- 1: the session stands where the plan has it since then, and goes where the plan goes.
ALTER TABLE session_changes ADD COLUMN as_planned bigint NOT NULL DEFAULT 0;

CREATE OR REPLACE FUNCTION caravan_session_changes(place bigint) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(json_agg(json_build_array(x.seq & 65535, x.revision, x.trainer_id, caravan_second(x.starts_at),
                                              caravan_second(x.ends_at), x.status, x.terms, caravan_instant(n.changed_at), n.overrides,
                                              x.as_planned)),
                    '[]')::text
    FROM session_changes x LEFT JOIN purchase_changes n ON n.purchase = x.seq >> 16 AND n.revision = x.revision
    WHERE x.seq > place << 16 AND x.seq < (place + 1) << 16
$$;
