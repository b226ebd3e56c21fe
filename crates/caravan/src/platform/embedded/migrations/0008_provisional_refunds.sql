-- 1: the payment side only holds the money back, and may return it: an open dispute.
ALTER TABLE refunds ADD COLUMN provisional INTEGER NOT NULL DEFAULT 0;
