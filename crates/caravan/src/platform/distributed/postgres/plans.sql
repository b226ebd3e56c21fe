-- A database in which the lists of people have much beside them: 20,000 purchases over a year, those that are over first, with
-- their sessions; dead letters, refunds and sign-ins of which few are asked for.
INSERT INTO purchases (id, payment_id, student_id, status, subject, level, time_zone, requested_start_date, created_at, sessions_total)
SELECT gen_random_uuid(), 'pay_' || n, 'stu_' || n % 5000,
       CASE WHEN n % 10 = 0 THEN 'cancelled' WHEN n % 10 = 1 THEN 'waitlisted' WHEN n < 12000 THEN 'completed' ELSE 'scheduled' END,
       'python', 'beginner', 'Asia/Kolkata', '2026-12-01', '2026-01-01Z'::timestamptz + n * interval '25 minutes', 4
FROM generate_series(1, 20000) AS n;

INSERT INTO confirmations (seq, confirmation) SELECT seq, repeat('x', 700) FROM purchases;

INSERT INTO allocations (seq, id, purchase_id, trainer_id, student_id, generation, start_date, slots, skipped, receipt, allocated_at)
SELECT seq << 16 | 1, gen_random_uuid(), id, 'trn_' || seq % 200, student_id, 1, '2026-12-01', '[]', '[]', '{}', created_at
FROM purchases WHERE status <> 'waitlisted';

INSERT INTO sessions (seq, id, purchase_id, trainer_id, ordinal, local_date, starts_at, ends_at)
SELECT p.seq << 16 | n, gen_random_uuid(), p.id, 'trn_' || p.seq % 200, n, (created_at + n * interval '7 days')::date,
       created_at + n * interval '7 days', created_at + n * interval '7 days 1 hour'
FROM purchases p CROSS JOIN generate_series(1, 4) AS n;

INSERT INTO waitlist (purchase_id, waitlisted_at, seen_version, receipt)
SELECT id, created_at, 7, '{}' FROM purchases WHERE status = 'waitlisted';

INSERT INTO dead_letters (topic, partition, log_offset, consumer_group, reason, detail, attempts, redrives, headers, failed_at, redriven_at)
SELECT 'purchase-confirmed', 0, n, 'purchase-creation-workers', 'invalid-json', '', 1, 0, '[]', '2026-01-01Z',
       CASE WHEN n % 1000 > 0 THEN '2026-01-02Z'::timestamptz END
FROM generate_series(1, 5000) AS n;

INSERT INTO refunds (id, purchase_id, payment_id, refund_id, amount, currency, refunded_at, recorded_at, metadata, state)
SELECT gen_random_uuid(), id, payment_id, 're_1', 1, 'INR', created_at, created_at, '{}',
       CASE WHEN seq % 1000 = 0 THEN 'open' ELSE 'settled' END
FROM purchases WHERE status = 'cancelled';

INSERT INTO sign_ins (digest, token_id, signed_in_at, expires_at)
SELECT sha256(n::text::bytea), gen_random_uuid(), '2026-01-01Z', '2026-02-01Z' FROM generate_series(1, 1000) AS n;

ANALYZE;
