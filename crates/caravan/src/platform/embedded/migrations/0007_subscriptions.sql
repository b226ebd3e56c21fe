-- Of a plan that runs until it is cancelled there is no total. A column that may not be null becomes one that may by being
-- made anew, at the end of the row.
ALTER TABLE purchases RENAME COLUMN sessions_total TO sessions_total_before;
ALTER TABLE purchases ADD COLUMN sessions_total INTEGER;
UPDATE purchases SET sessions_total = sessions_total_before;
ALTER TABLE purchases DROP COLUMN sessions_total_before;

-- The cron looks at all of them every day.
CREATE INDEX purchases_subscriptions ON purchases (id) WHERE sessions_total IS NULL;
