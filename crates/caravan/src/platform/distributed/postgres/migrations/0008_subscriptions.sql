-- Of a plan that runs until it is cancelled there is no total.
ALTER TABLE purchases ALTER COLUMN sessions_total DROP NOT NULL;

-- The cron looks at all of them every day.
CREATE INDEX purchases_subscriptions ON purchases (id) WHERE sessions_total IS NULL;
