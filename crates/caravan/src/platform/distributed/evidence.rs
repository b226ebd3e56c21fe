//! The evidence of a distributed Caravan: PostgreSQL's side is one snapshot, Kafka's is read no
//! earlier than it.
//!
//! Every value is shown as a text or number of its own: a damaged row must reach the audit rather
//! than stop it.

use async_trait::async_trait;
use caravan_domain::event::Headers;
use futures::TryStreamExt;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Postgres, Row};

use super::kafka::KafkaEvidence;
use super::postgres::{PostgresOptions, connect_options, store_error};
use crate::platform::PlatformError;
use crate::platform::evidence::{
    AllocationEvidence, Amount, ClosureEvidence, DeadLetterEvidence, Evidence, OutcomeEvidence, PartitionPlace,
    PartyKind, PartyPage, PlanEvidence, PositionEvidence, PurchaseEvidence, PurchasePage, RecordEvidence,
    RefundEvidence, ReservationEvidence, SessionEvidence, SetAsideEvidence, SpanEvidence, TopicEvidence,
    TrainerEvidence,
};

/// Allocations and sessions lie in the order of their purchases' places, and are shown in the order
/// of the ids they name: those that name another than the one in whose place they lie, if anybody
/// put some there, are `astray`.
///
/// Who has time reserved or a plan that takes some, and which allocation that is. `full_name` is
/// the party as reservations name it; anything that names neither a trainer nor a student goes with
/// the students, so that nothing escapes.
const PREPARE: [&str; 11] = [
    "BEGIN ISOLATION LEVEL REPEATABLE READ",
    "CREATE TEMP TABLE party_plans (kind text, party text COLLATE \"C\", seq bigint) ON COMMIT DROP",
    "INSERT INTO party_plans
     SELECT 'trainer', trainer_id, seq FROM allocations WHERE status IN ('active', 'superseded') OR ended_from IS NOT NULL
     UNION ALL SELECT 'student', student_id, seq FROM allocations WHERE status IN ('active', 'superseded') OR ended_from IS NOT NULL
     UNION SELECT 'trainer', x.trainer_id, a.seq FROM session_changes x JOIN allocations a ON a.seq >> 16 = x.seq >> 16
     WHERE a.status IN ('active', 'superseded') OR a.ended_from IS NOT NULL",
    "CREATE INDEX ON party_plans (kind, party)",
    "CREATE TEMP TABLE parties (kind text, party text COLLATE \"C\", full_name text COLLATE \"C\") ON COMMIT DROP",
    "INSERT INTO parties
     SELECT kind, party, kind || ':' || party FROM party_plans
     UNION
     SELECT CASE WHEN party LIKE 'trainer:%' THEN 'trainer' ELSE 'student' END,
            CASE WHEN party LIKE 'trainer:%' OR party LIKE 'student:%' THEN substr(party, 9) ELSE party END, party
     FROM (SELECT DISTINCT party FROM reservations) AS taken",
    "CREATE INDEX ON parties (kind, party)",
    "CREATE TEMP TABLE astray_allocations ON COMMIT DROP AS SELECT a.seq, a.purchase_id FROM allocations a
     LEFT JOIN purchases p ON p.seq = a.seq >> 16 WHERE p.id IS DISTINCT FROM a.purchase_id",
    "CREATE TEMP TABLE astray_sessions ON COMMIT DROP AS SELECT s.seq, s.purchase_id FROM sessions s
     LEFT JOIN purchases p ON p.seq = s.seq >> 16 WHERE p.id IS DISTINCT FROM s.purchase_id",
    "ANALYZE party_plans",
    "ANALYZE parties",
];

/// A snapshot of the database, and the log behind it.
pub(super) struct DistributedEvidence {
    connection: PgConnection,
    log: KafkaEvidence,
}

impl DistributedEvidence {
    /// A snapshot of everything as it is now, for an audit.
    pub(super) async fn take(options: &PostgresOptions, log: KafkaEvidence) -> Result<Self, PlatformError> {
        let connect = connect_options(options).map_err(|problem| PlatformError::Broken(problem.to_string()))?;
        let mut connection = connect.connect().await.map_err(store_error)?;
        for statement in PREPARE {
            sqlx::query(statement).execute(&mut connection).await.map_err(store_error)?;
        }
        Ok(Self { connection, log })
    }

    async fn all<T>(
        &mut self,
        query: Statement<'_>,
        read: impl Fn(&PgRow) -> Read<T>,
    ) -> Result<Vec<T>, PlatformError> {
        let rows = query.fetch_all(&mut self.connection).await.map_err(store_error)?;
        rows.iter().map(read).collect::<Read<Vec<T>>>().map_err(store_error)
    }
}

type Statement<'q> = Query<'q, Postgres, PgArguments>;
type Read<T> = Result<T, sqlx::Error>;

#[async_trait]
impl Evidence for DistributedEvidence {
    async fn close(self: Box<Self>) {
        // It has only read.
        let _ = self.connection.close().await;
    }

    async fn amount(&mut self) -> Result<Amount, PlatformError> {
        const SQL: &str = "SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM purchases),
                                  (SELECT count(*) FROM parties), (SELECT count(*) FROM sessions)";
        let read = |row: &PgRow| Ok([number(row, 0)?, number(row, 1)?, number(row, 2)?, number(row, 3)?]);
        let counted = self.all(sqlx::query(SQL), read).await?;
        let [outbox, purchases, parties, sessions] = counted.first().copied().unwrap_or_default();
        let records = outbox + self.log.amount().await?;
        Ok(Amount { records, purchases, parties, sessions })
    }

    async fn topics(&mut self) -> Result<Vec<TopicEvidence>, PlatformError> {
        let ids = self
            .all(sqlx::query("SELECT name, id::text FROM log_topics"), |row| Ok((row.try_get(0)?, row.try_get(1)?)));
        let ids: Vec<(String, String)> = ids.await?;
        let mut topics = self.log.topics().await?;
        for topic in &mut topics {
            topic.id = ids.iter().find(|(name, _)| *name == topic.name).map(|(_, id)| id.clone()).unwrap_or_default();
        }
        Ok(topics)
    }

    async fn records(&mut self, place: &PartitionPlace, limit: usize) -> Result<Vec<RecordEvidence>, PlatformError> {
        self.log.records(place, limit).await
    }

    async fn outbox(&mut self, after: Option<i64>, limit: usize) -> Result<Vec<(i64, RecordEvidence)>, PlatformError> {
        const SQL: &str =
            "SELECT id, topic, key, value, headers, timestamp FROM outbox WHERE id > $1 ORDER BY id LIMIT $2";
        let read = |row: &PgRow| {
            let record = RecordEvidence {
                topic: row.try_get(1)?,
                partition: 0,
                offset: 0,
                key: row.try_get(2)?,
                value: row.try_get(3)?,
                headers: headers(row, 4)?,
                timestamp_ms: row.try_get(5)?,
            };
            Ok((row.try_get(0)?, record))
        };
        self.all(sqlx::query(SQL).bind(after.unwrap_or(i64::MIN)).bind(limit as i64), read).await
    }

    async fn positions(&mut self) -> Result<Vec<PositionEvidence>, PlatformError> {
        const SQL: &str = "SELECT consumer_group, topic, partition, next_offset, topic_id::text FROM positions";
        let read = |row: &PgRow| {
            Ok(PositionEvidence {
                group: row.try_get(0)?,
                topic: row.try_get(1)?,
                partition: row.try_get(2)?,
                next_offset: row.try_get(3)?,
                topic_id: row.try_get(4)?,
            })
        };
        self.all(sqlx::query(SQL), read).await
    }

    async fn outcomes(&mut self, purchase_ids: &[String]) -> Result<Vec<OutcomeEvidence>, PlatformError> {
        const SQL: &str = "
            SELECT p.id::text, p.status, coalesce(c.confirmation, ''), a.id::text
            FROM UNNEST($1::text[]) AS asked (id) JOIN purchases p ON p.id = asked.id::uuid
            LEFT JOIN confirmations c ON c.seq = p.seq
            LEFT JOIN allocations a ON a.seq >> 16 = p.seq AND a.purchase_id = p.id AND a.status = 'active'";
        // What is no id is nobody's.
        let ids: Vec<&String> = purchase_ids.iter().filter(|id| uuid::Uuid::try_parse(id).is_ok()).collect();
        let read = |row: &PgRow| {
            Ok(OutcomeEvidence {
                id: row.try_get(0)?,
                status: row.try_get(1)?,
                confirmation: row.try_get(2)?,
                allocation_id: row.try_get(3)?,
            })
        };
        self.all(sqlx::query(SQL).bind(ids), read).await
    }

    async fn refunds(&mut self, after: Option<i64>, limit: usize) -> Result<Vec<RefundEvidence>, PlatformError> {
        const SQL: &str =
            "SELECT seq, id::text, purchase_id::text, refund_id, amount, currency, state, provisional FROM refunds
                           WHERE seq > $1 ORDER BY seq LIMIT $2";
        self.all(sqlx::query(SQL).bind(after.unwrap_or(i64::MIN)).bind(limit as i64), refund).await
    }

    async fn refunds_of(&mut self, purchase_ids: &[String]) -> Result<Vec<RefundEvidence>, PlatformError> {
        const SQL: &str =
            "SELECT r.seq, r.id::text, r.purchase_id::text, r.refund_id, r.amount, r.currency, r.state, r.provisional
                           FROM UNNEST($1::text[]) AS asked (id) JOIN refunds r ON r.purchase_id = asked.id::uuid";
        // What is no id is nobody's.
        let ids: Vec<&String> = purchase_ids.iter().filter(|id| uuid::Uuid::try_parse(id).is_ok()).collect();
        self.all(sqlx::query(SQL).bind(ids), refund).await
    }

    async fn set_aside(
        &mut self,
        topic: &str,
        partition: i64,
        from: i64,
        until: i64,
    ) -> Result<Vec<SetAsideEvidence>, PlatformError> {
        const SQL: &str = "SELECT consumer_group, log_offset FROM dead_letters
                           WHERE topic = $1 AND partition = $2 AND log_offset >= $3 AND log_offset < $4
                             AND consumer_group IN (SELECT consumer_group FROM positions)";
        let query = sqlx::query(SQL).bind(topic).bind(partition).bind(from).bind(until);
        self.all(query, |row| Ok(SetAsideEvidence { group: row.try_get(0)?, offset: row.try_get(1)? })).await
    }

    async fn dead_letters(
        &mut self,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<DeadLetterEvidence>, PlatformError> {
        const SQL: &str = "
            SELECT id, topic, partition, log_offset, consumer_group, reason, key, value, headers, caravan_instant(failed_at)
            FROM dead_letters WHERE id > $1 ORDER BY id LIMIT $2";
        let read = |row: &PgRow| {
            Ok(DeadLetterEvidence {
                id: row.try_get(0)?,
                topic: row.try_get(1)?,
                partition: row.try_get(2)?,
                offset: row.try_get(3)?,
                group: row.try_get(4)?,
                reason: row.try_get(5)?,
                key: row.try_get(6)?,
                value: row.try_get(7)?,
                headers: headers(row, 8)?,
                failed_at: row.try_get(9)?,
            })
        };
        self.all(sqlx::query(SQL).bind(after.unwrap_or(i64::MIN)).bind(limit as i64), read).await
    }

    async fn purchases(&mut self, after: Option<&str>, limit: usize) -> Result<PurchasePage, PlatformError> {
        const SQL: &str = "
            SELECT p.id::text, payment_id, item, student_id, status, requested_start_date::text, start_date::text, horizon::text,
                   sessions_total, caravan_instant(created_at), coalesce(c.confirmation, ''),
                   (SELECT caravan_instant(max(n.changed_at)) FROM purchase_changes n WHERE n.purchase = p.seq AND n.kind = 'cancelled'),
                   caravan_session_changes(p.seq), c.amended,
                   (SELECT coalesce(json_agg(json_build_array(n.revision, caravan_instant(n.changed_at))), '[]')::text FROM purchase_changes n
                    WHERE n.purchase = p.seq AND n.kind = 'time-data')
            FROM purchases p LEFT JOIN confirmations c ON c.seq = p.seq WHERE p.id > $1::uuid ORDER BY p.id LIMIT $2";
        let after = after.unwrap_or(BEFORE_ALL);
        let purchases = self.all(sqlx::query(SQL).bind(after).bind(limit as i64), purchase).await?;
        let next = (purchases.len() == limit).then(|| purchases.last().map(|last| last.id.clone())).flatten();
        let until = next.as_deref().unwrap_or(AFTER_ALL);
        let page = |sql| sqlx::query(sql).bind(after).bind(until);
        let allocations = self.all(page(ALLOCATIONS), allocation).await?;
        let sessions = self.all(page(SESSIONS), session).await?;
        let waiting = self.all(page(WAITING), |row| row.try_get(0)).await?;
        Ok(PurchasePage { purchases, allocations, sessions, waiting, next })
    }

    async fn parties(
        &mut self,
        kind: PartyKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<PartyPage, PlatformError> {
        const SQL: &str = "SELECT DISTINCT party FROM parties WHERE kind = $1 AND party > $2 ORDER BY party LIMIT $3";
        let after = after.unwrap_or_default();
        let query = sqlx::query(SQL).bind(kind.name()).bind(after).bind(limit as i64);
        let parties: Vec<String> = self.all(query, |row| row.try_get(0)).await?;
        let Some(last) = parties.last().cloned() else { return Ok(PartyPage::default()) };
        let page =
            |sql: &str| sqlx::query(AssertSqlSafe(sql.to_owned())).bind(kind.name()).bind(after).bind(last.clone());
        let plans = self.all(page(PLANS), plan).await?;
        let reservations = self.all(page(RESERVATIONS), reservation).await?;
        let trainers = self.all(page(TRAINERS), trainer).await?;
        let next = (parties.len() == limit).then_some(last);
        Ok(PartyPage { plans, reservations, trainers, parties: parties.len(), next })
    }

    async fn each_session_by(
        &mut self,
        kind: PartyKind,
        show: &mut (dyn FnMut(SpanEvidence) + Send),
    ) -> Result<(), PlatformError> {
        let query = sqlx::query(match kind {
            PartyKind::Trainer => {
                "SELECT trainer_id, id::text, caravan_second(starts_at), caravan_second(ends_at)
                 FROM sessions WHERE status <> 'cancelled' ORDER BY trainer_id COLLATE \"C\", starts_at"
            }
            PartyKind::Student => {
                "SELECT p.student_id, s.id::text, caravan_second(s.starts_at), caravan_second(s.ends_at)
                 FROM sessions s JOIN purchases p ON p.id = s.purchase_id
                 WHERE s.status <> 'cancelled' ORDER BY p.student_id COLLATE \"C\", s.starts_at"
            }
        });
        let mut rows = query.fetch(&mut self.connection);
        while let Some(row) = rows.try_next().await.map_err(store_error)? {
            show(span(&row).map_err(store_error)?);
        }
        Ok(())
    }

    async fn closures(&mut self) -> Result<Vec<ClosureEvidence>, PlatformError> {
        let query = sqlx::query("SELECT from_date::text, until_date::text, name FROM closures");
        let read =
            |row: &PgRow| Ok(ClosureEvidence { from: row.try_get(0)?, until: row.try_get(1)?, name: row.try_get(2)? });
        self.all(query, read).await
    }

    async fn cron_last(&mut self) -> Result<Option<String>, PlatformError> {
        let query = sqlx::query("SELECT caravan_instant(last_due) FROM cron");
        Ok(self.all(query, |row| row.try_get(0)).await?.into_iter().next())
    }
}

/// Before and after every id.
const BEFORE_ALL: &str = "00000000-0000-0000-0000-000000000000";
const AFTER_ALL: &str = "ffffffff-ffff-ffff-ffff-ffffffffffff";

const ALLOCATIONS: &str = "
    SELECT id::text, purchase_id::text, trainer_id, student_id, status, generation, start_date::text, slots, skipped, receipt,
           caravan_instant(allocated_at), ended_from::text, caravan_instant(ended_at), first_ordinal, sessions, ordered
    FROM allocations WHERE seq IN (
        SELECT a.seq FROM purchases p JOIN LATERAL (
            SELECT seq FROM allocations WHERE seq > p.seq << 16 AND seq < (p.seq + 1) << 16 AND purchase_id = p.id OFFSET 0) a ON true
        WHERE p.id > $1::uuid AND p.id <= $2::uuid
        UNION ALL SELECT seq FROM astray_allocations WHERE purchase_id > $1::uuid AND purchase_id <= $2::uuid)
    ORDER BY allocations.purchase_id, generation";
const SESSIONS: &str = "
    SELECT id::text, purchase_id::text, trainer_id, ordinal, local_date::text, caravan_second(starts_at),
           caravan_second(ends_at), status, caravan_second(planned_starts_at)
    FROM sessions WHERE seq IN (
        SELECT s.seq FROM purchases p JOIN LATERAL (
            SELECT seq FROM sessions WHERE seq > p.seq << 16 AND seq < (p.seq + 1) << 16 AND purchase_id = p.id OFFSET 0) s ON true
        WHERE p.id > $1::uuid AND p.id <= $2::uuid
        UNION ALL SELECT seq FROM astray_sessions WHERE purchase_id > $1::uuid AND purchase_id <= $2::uuid)
    ORDER BY sessions.purchase_id, ordinal";
const WAITING: &str = "SELECT purchase_id::text FROM waitlist WHERE purchase_id > $1::uuid AND purchase_id <= $2::uuid
                       ORDER BY waitlist.purchase_id";
const PLANS: &str = "
    SELECT a.id::text, a.purchase_id::text, a.trainer_id, a.student_id, a.status, a.generation, a.start_date::text, a.slots,
           a.skipped, a.receipt, caravan_instant(a.allocated_at), a.ended_from::text, caravan_instant(a.ended_at),
           a.first_ordinal, a.sessions, a.ordered, o.party, c.confirmation, c.amended, caravan_session_changes(p.seq),
           (SELECT coalesce(json_agg(json_build_array(n.revision, caravan_instant(n.changed_at))), '[]')::text FROM purchase_changes n
            WHERE n.purchase = p.seq AND n.kind = 'time-data')
    FROM party_plans o JOIN allocations a ON a.seq = o.seq
    LEFT JOIN purchases p ON p.id = a.purchase_id LEFT JOIN confirmations c ON c.seq = p.seq
    WHERE o.kind = $1 AND o.party > $2 AND o.party <= $3 ORDER BY o.party, a.seq";
const RESERVATIONS: &str = "
    SELECT o.party, r.key, r.busy, r.starts FROM parties o JOIN reservations r ON r.party = o.full_name
    WHERE o.kind = $1 AND o.party > $2 AND o.party <= $3 ORDER BY o.party, r.key";
const TRAINERS: &str = "
    SELECT id, time_zone, languages, courses, availability, time_off, max_sessions_per_week
    FROM trainers WHERE $1 = 'trainer' AND id > $2 AND id <= $3 ORDER BY id";

fn number(row: &PgRow, column: usize) -> Read<u64> {
    Ok(row.try_get::<i64, _>(column)?.unsigned_abs())
}

fn headers(row: &PgRow, column: usize) -> Read<Option<Headers>> {
    Ok(Headers::from_json_text(row.try_get(column)?).ok())
}

fn purchase(row: &PgRow) -> Read<PurchaseEvidence> {
    Ok(PurchaseEvidence {
        id: row.try_get(0)?,
        payment_id: row.try_get(1)?,
        item: row.try_get(2)?,
        student_id: row.try_get(3)?,
        status: row.try_get(4)?,
        requested_start_date: row.try_get(5)?,
        start_date: row.try_get(6)?,
        horizon: row.try_get(7)?,
        sessions_total: row.try_get(8)?,
        created_at: row.try_get(9)?,
        confirmation: row.try_get(10)?,
        cancelled_at: row.try_get(11)?,
        session_changes: row.try_get(12)?,
        amended: row.try_get(13)?,
        displaced: row.try_get(14)?,
    })
}

fn allocation(row: &PgRow) -> Read<AllocationEvidence> {
    Ok(AllocationEvidence {
        id: row.try_get(0)?,
        purchase_id: row.try_get(1)?,
        trainer_id: row.try_get(2)?,
        student_id: row.try_get(3)?,
        status: row.try_get(4)?,
        generation: row.try_get(5)?,
        start_date: row.try_get(6)?,
        slots: row.try_get(7)?,
        skipped: row.try_get(8)?,
        receipt: row.try_get(9)?,
        allocated_at: row.try_get(10)?,
        ended_from: row.try_get(11)?,
        ended_at: row.try_get(12)?,
        first_ordinal: row.try_get(13)?,
        sessions: row.try_get(14)?,
        ordered: row.try_get(15)?,
    })
}

fn session(row: &PgRow) -> Read<SessionEvidence> {
    Ok(SessionEvidence {
        id: row.try_get(0)?,
        purchase_id: row.try_get(1)?,
        trainer_id: row.try_get(2)?,
        ordinal: row.try_get(3)?,
        local_date: row.try_get(4)?,
        starts_at: row.try_get(5)?,
        ends_at: row.try_get(6)?,
        status: row.try_get(7)?,
        planned_starts_at: row.try_get(8)?,
    })
}

fn plan(row: &PgRow) -> Read<PlanEvidence> {
    Ok(PlanEvidence {
        allocation: allocation(row)?,
        party: row.try_get(16)?,
        confirmation: row.try_get(17)?,
        amended: row.try_get(18)?,
        session_changes: row.try_get(19)?,
        displaced: row.try_get(20)?,
    })
}

fn reservation(row: &PgRow) -> Read<ReservationEvidence> {
    let bits = |column| Read::Ok(row.try_get::<i64, usize>(column)?.cast_unsigned());
    Ok(ReservationEvidence { party: row.try_get(0)?, key: row.try_get(1)?, busy: bits(2)?, starts: bits(3)? })
}

fn trainer(row: &PgRow) -> Read<TrainerEvidence> {
    Ok(TrainerEvidence {
        id: row.try_get(0)?,
        time_zone: row.try_get(1)?,
        languages: row.try_get(2)?,
        courses: row.try_get(3)?,
        availability: row.try_get(4)?,
        time_off: row.try_get(5)?,
        max_sessions_per_week: row.try_get(6)?,
    })
}

fn span(row: &PgRow) -> Read<SpanEvidence> {
    Ok(SpanEvidence {
        party: row.try_get(0)?,
        session_id: row.try_get(1)?,
        starts_at: row.try_get(2)?,
        ends_at: row.try_get(3)?,
    })
}

fn refund(row: &PgRow) -> Result<RefundEvidence, sqlx::Error> {
    Ok(RefundEvidence {
        place: row.try_get(0)?,
        id: row.try_get(1)?,
        purchase_id: row.try_get(2)?,
        refund_id: row.try_get(3)?,
        provisional: row.try_get(7)?,
        amount: row.try_get(4)?,
        currency: row.try_get(5)?,
        state: row.try_get(6)?,
    })
}
