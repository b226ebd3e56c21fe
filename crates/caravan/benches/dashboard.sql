-- The past of a business that records 342 purchases a day: ?1 of them, the last of them just now. Of those of the last sixty days
-- lessons are still to come, or they wait. Row 1 is a purchase that is taught, row 2 one that waits, as the pipeline made them.
CREATE TEMP TABLE grown AS
WITH RECURSIVE numbers (n) AS (SELECT 1000 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000 + ?1),
     paid (n, at) AS (SELECT n, unixepoch() - (1000 + ?1 - n) * 252 FROM numbers)
SELECT n, at, printf('%08x-0000-4000-8000-%012x', n, n) AS id, 'stu_' || (n % 300000) AS student, 'trn_' || (n % 500) AS trainer,
       CASE WHEN n % 5000 = 0 THEN 'waitlisted' WHEN n % 50 = 0 THEN 'cancelled' WHEN at < unixepoch() - 60 * 86400 THEN 'completed' ELSE 'scheduled' END AS status
FROM paid;

INSERT INTO purchases (seq, id, payment_id, student_id, status, subject, level, time_zone, requested_start_date, start_date, horizon,
                       created_at, generations, revision, sessions_total, scheduled_at)
SELECT n, g.id, 'pay_' || n, student, g.status, t.subject, t.level, t.time_zone, date(at, 'unixepoch', '+7 days'),
       date(at, 'unixepoch', '+7 days'), date(at, 'unixepoch', '+70 days'), strftime('%Y-%m-%dT%H:%M:%SZ', at, 'unixepoch'), t.generations, t.revision,
       t.sessions_total, strftime('%Y-%m-%dT%H:%M:%SZ', at, 'unixepoch')
FROM grown g JOIN purchases t ON t.seq = CASE g.status WHEN 'waitlisted' THEN 2 ELSE 1 END WHERE ?1 > 0;

INSERT INTO confirmations (seq, confirmation)
SELECT n, json_set(t.confirmation, '$.payment_id', 'pay_' || n, '$.student.id', student, '$.plan.start_date', date(at, 'unixepoch', '+7 days'))
FROM grown g JOIN confirmations t ON t.seq = CASE g.status WHEN 'waitlisted' THEN 2 ELSE 1 END WHERE ?1 > 0;

INSERT INTO allocations (seq, id, purchase_id, trainer_id, student_id, status, generation, start_date, slots, skipped, receipt, allocated_at,
                         ordered, first_ordinal, sessions)
SELECT n << 16 | 1, printf('%08x-0000-4000-9000-%012x', n, n), g.id, trainer, student, t.status, t.generation,
       date(at, 'unixepoch', '+7 days'), t.slots, t.skipped, t.receipt, strftime('%Y-%m-%dT%H:%M:%SZ', at, 'unixepoch'), t.ordered, t.first_ordinal, t.sessions
FROM grown g JOIN allocations t ON t.seq = 1 << 16 | 1 WHERE g.status IN ('completed', 'scheduled') AND ?1 > 0;

INSERT INTO sessions (seq, id, purchase_id, trainer_id, ordinal, local_date, starts_at, ends_at, status)
SELECT n << 16 | k, printf('%08x-0000-4000-a%03x-%012x', n, k, n), id, trainer, k, date(at + k * 604800, 'unixepoch'),
       strftime('%Y-%m-%dT%H:00:00Z', at + k * 604800, 'unixepoch'), strftime('%Y-%m-%dT%H:45:00Z', at + k * 604800, 'unixepoch'),
       CASE WHEN at + k * 604800 < unixepoch() THEN 'completed' ELSE 'scheduled' END
FROM grown CROSS JOIN (SELECT value AS k FROM json_each('[1, 2, 3, 4]')) WHERE status IN ('completed', 'scheduled') AND ?1 > 0;

INSERT INTO waitlist (purchase_id, waitlisted_at, seen_version, receipt)
SELECT id, strftime('%Y-%m-%dT%H:%M:%SZ', at, 'unixepoch'), t.seen_version, t.receipt FROM grown, waitlist t WHERE status = 'waitlisted' AND ?1 > 0;

INSERT INTO dead_letters (topic, partition, log_offset, consumer_group, reason, detail, attempts, redrives, key, value, headers, failed_at, redriven_at)
SELECT t.topic, t.partition, 100 + n, t.consumer_group, t.reason, t.detail, t.attempts, t.redrives, t.key, t.value, t.headers,
       strftime('%Y-%m-%dT%H:%M:%SZ', at, 'unixepoch'), CASE WHEN n % 50000 > 0 THEN strftime('%Y-%m-%dT%H:%M:%SZ', at, 'unixepoch') END
FROM grown, (SELECT * FROM dead_letters ORDER BY id LIMIT 1) t WHERE n % 100 = 0 AND ?1 > 0
