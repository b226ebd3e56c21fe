-- The payment side only holds the money back, and may return it: an open dispute.
ALTER TABLE refunds ADD COLUMN provisional boolean NOT NULL DEFAULT false;
