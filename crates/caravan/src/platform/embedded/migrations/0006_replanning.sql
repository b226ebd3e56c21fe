-- A purchase's rest can be planned anew: the allocation before it is 'superseded', with the sessions that were held by it
-- or stand before the change, and another begins with the next ordinal.
--
-- JSON: the course and the plan an allocation was made for, where they are not those that were confirmed.
ALTER TABLE allocations ADD COLUMN ordered TEXT;
-- JSON: the course and the plan that count since a person changed them; `confirmation` stays what was reported.
ALTER TABLE confirmations ADD COLUMN amended TEXT;
-- 1: the session stands where the plan has it since then, and goes where the plan goes.
ALTER TABLE session_changes ADD COLUMN as_planned INTEGER NOT NULL DEFAULT 0;
