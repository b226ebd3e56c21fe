//! The evidence of an embedded Caravan: one read transaction on a connection of its own, so that
//! everything is as of one moment, however long the audit takes and whoever writes meanwhile.
//!
//! Every value is cast to the type it should have: a damaged row must reach the audit rather than
//! stop it.

use async_trait::async_trait;
use caravan_domain::event::Headers;
use futures::TryStreamExt;
use sqlx::sqlite::SqliteRow;
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};

use super::Embedded;
use super::sqlite::{options, platform_error};
use crate::platform::PlatformError;
use crate::platform::evidence::{
    AllocationEvidence, Amount, ClosureEvidence, DeadLetterEvidence, Evidence, OutcomeEvidence, PartitionEvidence,
    PartitionPlace, PartyKind, PartyPage, PlanEvidence, PositionEvidence, PurchaseEvidence, PurchasePage,
    RecordEvidence, RefundEvidence, ReservationEvidence, SessionEvidence, SetAsideEvidence, SpanEvidence,
    TopicEvidence, TrainerEvidence,
};

/// The page cache of the audit's connection; what is sorted beyond it goes to temporary files.
const CACHE_KIB: u32 = 16 * 1024;
/// The bits of a record's id that are its offset.
const OFFSET_BITS: u32 = 40;
/// Rows the connection may be ahead of the audit: it reads them by the hundred thousand.
const ROW_BUFFER: usize = 4_096;
/// Sorts after every text: the end of the last page.
const AFTER_ALL: &[u8] = &[0xff];

/// Allocations and sessions lie in the order of their purchases' places, and are shown in the order
/// of the ids they name: those that name another than the one in whose place they lie, if anybody
/// put some there, are `astray`.
///
/// Who has time reserved or a plan that takes some, and which allocation that is. `full` is the
/// party as reservations name it; anything that names neither a trainer nor a student goes with
/// the students, so that nothing escapes.
const PREPARE: [&str; 8] = [
    "CREATE TEMP TABLE party_plans (kind TEXT, party TEXT, seq INTEGER, PRIMARY KEY (kind, party, seq)) WITHOUT ROWID",
    "INSERT INTO party_plans
     SELECT 'trainer', CAST(trainer_id AS TEXT), seq FROM allocations WHERE status IN ('active', 'superseded') OR ended_from IS NOT NULL
     UNION ALL SELECT 'student', CAST(student_id AS TEXT), seq FROM allocations WHERE status IN ('active', 'superseded') OR ended_from IS NOT NULL",
    "INSERT OR IGNORE INTO party_plans
     SELECT 'trainer', CAST(x.trainer_id AS TEXT), a.seq FROM session_changes x
     CROSS JOIN allocations a ON a.seq > x.seq >> 16 << 16 AND a.seq < ((x.seq >> 16) + 1) << 16
     WHERE a.status IN ('active', 'superseded') OR a.ended_from IS NOT NULL",
    "CREATE TEMP TABLE parties (kind TEXT, party TEXT, full TEXT, PRIMARY KEY (kind, party, full)) WITHOUT ROWID",
    "INSERT OR IGNORE INTO parties SELECT kind, party, kind || ':' || party FROM party_plans",
    "INSERT OR IGNORE INTO parties
     SELECT iif(party LIKE 'trainer:%', 'trainer', 'student'),
            iif(party LIKE 'trainer:%' OR party LIKE 'student:%', substr(party, 9), party), party
     FROM (SELECT DISTINCT CAST(party AS TEXT) AS party FROM reservations)",
    "CREATE TEMP TABLE astray_allocations AS SELECT a.seq, CAST(a.purchase_id AS TEXT) AS purchase_id FROM allocations a
     WHERE (SELECT p.id FROM purchases p WHERE p.seq = a.seq >> 16) IS NOT a.purchase_id",
    "CREATE TEMP TABLE astray_sessions AS SELECT s.seq, CAST(s.purchase_id AS TEXT) AS purchase_id FROM sessions s
     WHERE (SELECT p.id FROM purchases p WHERE p.seq = s.seq >> 16) IS NOT s.purchase_id",
];

/// A snapshot of the database file.
pub struct EmbeddedEvidence {
    connection: SqliteConnection,
}

impl Embedded {
    /// A snapshot of everything as it is now, for an audit.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn evidence(&self) -> Result<EmbeddedEvidence, PlatformError> {
        let options = options(&self.file, self.reads_as, false)
            .row_buffer_size(ROW_BUFFER)
            .pragma("query_only", "off")
            .pragma("temp_store", "file")
            .pragma("cache_size", format!("-{CACHE_KIB}"));
        let mut connection = options.connect().await.map_err(platform_error)?;
        for statement in ["BEGIN"].into_iter().chain(PREPARE).chain(["PRAGMA query_only = on"]) {
            sqlx::query(statement).execute(&mut connection).await.map_err(platform_error)?;
        }
        Ok(EmbeddedEvidence { connection })
    }
}

impl EmbeddedEvidence {
    async fn all<T>(
        &mut self,
        query: Query<'_>,
        read: impl Fn(&SqliteRow) -> Read<T>,
    ) -> Result<Vec<T>, PlatformError> {
        let rows = query.fetch_all(&mut self.connection).await.map_err(platform_error)?;
        rows.iter().map(read).collect::<Read<Vec<T>>>().map_err(platform_error)
    }
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;
type Read<T> = Result<T, sqlx::Error>;

#[async_trait]
impl Evidence for EmbeddedEvidence {
    async fn close(self: Box<Self>) {
        // It has only read.
        let _ = self.connection.close().await;
    }

    async fn amount(&mut self) -> Result<Amount, PlatformError> {
        let query = sqlx::query(
            "SELECT (SELECT count(*) FROM log_records) + (SELECT count(*) FROM outbox),
                    (SELECT count(*) FROM purchases), (SELECT count(*) FROM parties), (SELECT count(*) FROM sessions)",
        );
        let number = |row: &SqliteRow, column: usize| Read::Ok(row.try_get::<i64, _>(column)?.unsigned_abs());
        let read = |row: &SqliteRow| {
            let (records, purchases) = (number(row, 0)?, number(row, 1)?);
            Ok(Amount { records, purchases, parties: number(row, 2)?, sessions: number(row, 3)? })
        };
        Ok(self.all(query, read).await?.into_iter().next().unwrap_or_default())
    }

    async fn topics(&mut self) -> Result<Vec<TopicEvidence>, PlatformError> {
        let query = sqlx::query(
            "SELECT t.name, t.id, p.partition, p.start_offset, p.end_offset
             FROM log_topics t LEFT JOIN log_partitions p ON p.topic = t.name ORDER BY t.name, p.partition",
        );
        let read = |row: &SqliteRow| {
            let partition = row.try_get::<Option<i64>, _>(2)?;
            let state = match partition {
                Some(partition) => Some(PartitionEvidence { partition, start: row.try_get(3)?, end: row.try_get(4)? }),
                None => None,
            };
            Ok((row.try_get::<String, _>(0)?, row.try_get::<String, _>(1)?, state))
        };
        let mut topics: Vec<TopicEvidence> = Vec::new();
        for (name, id, state) in self.all(query, read).await? {
            if topics.last().is_none_or(|last| last.name != name) {
                topics.push(TopicEvidence { name, id, partitions: Vec::new() });
            }
            if let Some(topic) = topics.last_mut() {
                topic.partitions.extend(state);
            }
        }
        Ok(topics)
    }

    async fn records(&mut self, place: &PartitionPlace, limit: usize) -> Result<Vec<RecordEvidence>, PlatformError> {
        let query = sqlx::query(
            "SELECT r.id, CAST(r.key AS BLOB), CAST(r.value AS BLOB), CAST(r.headers AS TEXT), CAST(r.timestamp AS INTEGER)
             FROM log_partitions p CROSS JOIN log_records r ON r.id >= (p.id << 40) + ? AND r.id < (p.id + 1) << 40
             WHERE p.topic = ? AND p.partition = ? ORDER BY r.id LIMIT ?",
        )
        .bind(place.from)
        .bind(&place.topic)
        .bind(place.partition)
        .bind(limit as i64);
        let read = |row: &SqliteRow| {
            let offset = row.try_get::<i64, _>(0)? & ((1 << OFFSET_BITS) - 1);
            record(row, &place.topic, place.partition, offset)
        };
        self.all(query, read).await
    }

    async fn outbox(&mut self, after: Option<i64>, limit: usize) -> Result<Vec<(i64, RecordEvidence)>, PlatformError> {
        let query = sqlx::query(
            "SELECT id, CAST(key AS BLOB), CAST(value AS BLOB), CAST(headers AS TEXT), CAST(timestamp AS INTEGER), CAST(topic AS TEXT)
             FROM outbox WHERE id > ? ORDER BY id LIMIT ?",
        )
        .bind(after.unwrap_or(i64::MIN))
        .bind(limit as i64);
        self.all(query, |row| Ok((row.try_get(0)?, record(row, row.try_get(5)?, 0, 0)?))).await
    }

    async fn positions(&mut self) -> Result<Vec<PositionEvidence>, PlatformError> {
        let query = sqlx::query(
            "SELECT CAST(consumer_group AS TEXT), CAST(topic AS TEXT), CAST(partition AS INTEGER),
                    CAST(next_offset AS INTEGER), CAST(topic_id AS TEXT) FROM positions",
        );
        let read = |row: &SqliteRow| {
            Ok(PositionEvidence {
                group: row.try_get(0)?,
                topic: row.try_get(1)?,
                partition: row.try_get(2)?,
                next_offset: row.try_get(3)?,
                topic_id: row.try_get(4)?,
            })
        };
        self.all(query, read).await
    }

    async fn outcomes(&mut self, purchase_ids: &[String]) -> Result<Vec<OutcomeEvidence>, PlatformError> {
        let query = sqlx::query(
            "SELECT CAST(p.id AS TEXT), CAST(p.status AS TEXT), CAST(coalesce(c.confirmation, '') AS TEXT), CAST(a.id AS TEXT)
             FROM json_each(?) AS asked CROSS JOIN purchases p ON p.id = asked.value
             LEFT JOIN confirmations c ON c.seq = p.seq
             LEFT JOIN allocations a ON a.seq > p.seq << 16 AND a.seq < (p.seq + 1) << 16
                                    AND a.purchase_id = p.id AND a.status = 'active'",
        )
        .bind(super::bulk::json_list(purchase_ids));
        let read = |row: &SqliteRow| {
            Ok(OutcomeEvidence {
                id: row.try_get(0)?,
                status: row.try_get(1)?,
                confirmation: row.try_get(2)?,
                allocation_id: row.try_get(3)?,
            })
        };
        self.all(query, read).await
    }

    async fn refunds(&mut self, after: Option<i64>, limit: usize) -> Result<Vec<RefundEvidence>, PlatformError> {
        let query = sqlx::query(
            "SELECT seq, CAST(id AS TEXT), CAST(purchase_id AS TEXT), CAST(refund_id AS TEXT), CAST(amount AS INTEGER),
                    CAST(currency AS TEXT), CAST(state AS TEXT), CAST(provisional AS INTEGER) FROM refunds WHERE seq > ? ORDER BY seq LIMIT ?",
        );
        self.all(query.bind(after.unwrap_or(i64::MIN)).bind(limit as i64), refund).await
    }

    async fn refunds_of(&mut self, purchase_ids: &[String]) -> Result<Vec<RefundEvidence>, PlatformError> {
        let query = sqlx::query(
            "SELECT r.seq, CAST(r.id AS TEXT), CAST(r.purchase_id AS TEXT), CAST(r.refund_id AS TEXT),
                    CAST(r.amount AS INTEGER), CAST(r.currency AS TEXT), CAST(r.state AS TEXT),
                    CAST(r.provisional AS INTEGER)
             FROM json_each(?) AS asked CROSS JOIN refunds r ON r.purchase_id = asked.value",
        );
        self.all(query.bind(super::bulk::json_list(purchase_ids)), refund).await
    }

    async fn set_aside(
        &mut self,
        topic: &str,
        partition: i64,
        from: i64,
        until: i64,
    ) -> Result<Vec<SetAsideEvidence>, PlatformError> {
        // By group, because the index begins with it.
        let query = sqlx::query(
            "SELECT CAST(d.consumer_group AS TEXT), d.log_offset
             FROM (SELECT DISTINCT consumer_group FROM positions) g
             CROSS JOIN dead_letters d ON d.consumer_group = g.consumer_group AND d.topic = ? AND d.partition = ?
                                      AND d.log_offset >= ? AND d.log_offset < ?",
        )
        .bind(topic)
        .bind(partition)
        .bind(from)
        .bind(until);
        self.all(query, |row| Ok(SetAsideEvidence { group: row.try_get(0)?, offset: row.try_get(1)? })).await
    }

    async fn dead_letters(
        &mut self,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<DeadLetterEvidence>, PlatformError> {
        let query = sqlx::query(
            "SELECT id, CAST(topic AS TEXT), CAST(partition AS INTEGER), CAST(log_offset AS INTEGER),
                    CAST(consumer_group AS TEXT), CAST(reason AS TEXT), CAST(key AS BLOB), CAST(value AS BLOB),
                    CAST(headers AS TEXT), CAST(failed_at AS TEXT)
             FROM dead_letters WHERE id > ? ORDER BY id LIMIT ?",
        )
        .bind(after.unwrap_or(i64::MIN))
        .bind(limit as i64);
        let read = |row: &SqliteRow| {
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
        self.all(query, read).await
    }

    async fn purchases(&mut self, after: Option<&str>, limit: usize) -> Result<PurchasePage, PlatformError> {
        let after = after.unwrap_or_default();
        let query = sqlx::query(
            "SELECT CAST(id AS TEXT), CAST(payment_id AS TEXT), CAST(item AS TEXT), CAST(student_id AS TEXT),
                    CAST(status AS TEXT), CAST(requested_start_date AS TEXT), CAST(start_date AS TEXT),
                    CAST(horizon AS TEXT), CAST(sessions_total AS INTEGER), CAST(created_at AS TEXT),
                    CAST(coalesce((SELECT c.confirmation FROM confirmations c WHERE c.seq = purchases.seq), '') AS TEXT),
                    (SELECT CAST(max(n.changed_at) AS TEXT) FROM purchase_changes n
                     WHERE n.purchase = purchases.seq AND n.kind = 'cancelled'),
                    (SELECT json_group_array(json_array(x.seq & 65535, x.revision, x.trainer_id, x.starts_at, x.ends_at, x.status,
                            x.terms, n.changed_at, n.overrides, x.as_planned)) FROM session_changes x
                     LEFT JOIN purchase_changes n ON n.purchase = x.seq >> 16 AND n.revision = x.revision
                     WHERE x.seq > purchases.seq << 16 AND x.seq < (purchases.seq + 1) << 16),
                    CAST((SELECT c.amended FROM confirmations c WHERE c.seq = purchases.seq) AS TEXT),
                    (SELECT json_group_array(json_array(n.revision, n.changed_at)) FROM purchase_changes n
                     WHERE n.purchase = purchases.seq AND n.kind = 'time-data')
             FROM purchases WHERE id > ? ORDER BY id LIMIT ?",
        )
        .bind(after)
        .bind(limit as i64);
        let purchases = self.all(query, purchase).await?;
        let next = (purchases.len() == limit).then(|| purchases.last().map(|last| last.id.clone())).flatten();
        let allocations = self.all(in_page(ALLOCATIONS, after, next.as_deref()), allocation).await?;
        let sessions = self.all(in_page(SESSIONS, after, next.as_deref()), session).await?;
        let waiting = self.all(in_page(WAITING, after, next.as_deref()), |row| row.try_get(0)).await?;
        Ok(PurchasePage { purchases, allocations, sessions, waiting, next })
    }

    async fn parties(
        &mut self,
        kind: PartyKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<PartyPage, PlatformError> {
        let after = after.unwrap_or_default();
        let query =
            sqlx::query("SELECT DISTINCT party FROM parties WHERE kind = ? AND party > ? ORDER BY party LIMIT ?")
                .bind(kind.name())
                .bind(after)
                .bind(limit as i64);
        let parties: Vec<String> = self.all(query, |row| row.try_get(0)).await?;
        let Some(last) = parties.last().cloned() else { return Ok(PartyPage::default()) };
        let page = |sql| sqlx::query(sql).bind(kind.name()).bind(after).bind(&last);
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
                "SELECT CAST(trainer_id AS TEXT), CAST(id AS TEXT), CAST(starts_at AS TEXT), CAST(ends_at AS TEXT)
                 FROM sessions WHERE status <> 'cancelled' ORDER BY trainer_id, starts_at"
            }
            PartyKind::Student => {
                "SELECT CAST(p.student_id AS TEXT), CAST(s.id AS TEXT), CAST(s.starts_at AS TEXT), CAST(s.ends_at AS TEXT)
                 FROM sessions s CROSS JOIN purchases p ON p.id = s.purchase_id
                 WHERE s.status <> 'cancelled' ORDER BY p.student_id, s.starts_at"
            }
        });
        let mut rows = query.fetch(&mut self.connection);
        while let Some(row) = rows.try_next().await.map_err(platform_error)? {
            show(span(&row).map_err(platform_error)?);
        }
        Ok(())
    }

    async fn closures(&mut self) -> Result<Vec<ClosureEvidence>, PlatformError> {
        let query =
            sqlx::query("SELECT CAST(from_date AS TEXT), CAST(until_date AS TEXT), CAST(name AS TEXT) FROM closures");
        let read = |row: &SqliteRow| {
            Ok(ClosureEvidence { from: row.try_get(0)?, until: row.try_get(1)?, name: row.try_get(2)? })
        };
        self.all(query, read).await
    }

    async fn cron_last(&mut self) -> Result<Option<String>, PlatformError> {
        let query = sqlx::query("SELECT CAST(last_due AS TEXT) FROM cron");
        Ok(self.all(query, |row| row.try_get(0)).await?.into_iter().next())
    }
}

const ALLOCATIONS: &str =
    "SELECT CAST(id AS TEXT), CAST(purchase_id AS TEXT), CAST(trainer_id AS TEXT), CAST(student_id AS TEXT),
        CAST(status AS TEXT), CAST(generation AS INTEGER), CAST(start_date AS TEXT), CAST(slots AS TEXT),
        CAST(skipped AS TEXT), CAST(receipt AS TEXT), CAST(allocated_at AS TEXT), CAST(ended_from AS TEXT),
        CAST(ended_at AS TEXT), CAST(first_ordinal AS INTEGER), CAST(sessions AS INTEGER), CAST(ordered AS TEXT)
 FROM allocations WHERE seq IN (
     SELECT a.seq FROM purchases p CROSS JOIN allocations a
         ON a.seq > p.seq << 16 AND a.seq < (p.seq + 1) << 16 AND a.purchase_id = p.id WHERE p.id > ?1 AND p.id <= ?2
     UNION ALL SELECT seq FROM astray_allocations WHERE purchase_id > ?1 AND purchase_id <= ?2)
 ORDER BY purchase_id, generation";
const SESSIONS: &str =
    "SELECT CAST(id AS TEXT), CAST(purchase_id AS TEXT), CAST(trainer_id AS TEXT), CAST(ordinal AS INTEGER),
        CAST(local_date AS TEXT), CAST(starts_at AS TEXT), CAST(ends_at AS TEXT), CAST(status AS TEXT),
        CAST(planned_starts_at AS TEXT)
 FROM sessions WHERE seq IN (
     SELECT s.seq FROM purchases p CROSS JOIN sessions s
         ON s.seq > p.seq << 16 AND s.seq < (p.seq + 1) << 16 AND s.purchase_id = p.id WHERE p.id > ?1 AND p.id <= ?2
     UNION ALL SELECT seq FROM astray_sessions WHERE purchase_id > ?1 AND purchase_id <= ?2)
 ORDER BY purchase_id, ordinal";
const WAITING: &str =
    "SELECT CAST(purchase_id AS TEXT) FROM waitlist WHERE purchase_id > ?1 AND purchase_id <= ?2 ORDER BY purchase_id";
const PLANS: &str =
    "SELECT CAST(a.id AS TEXT), CAST(a.purchase_id AS TEXT), CAST(a.trainer_id AS TEXT), CAST(a.student_id AS TEXT),
        CAST(a.status AS TEXT), CAST(a.generation AS INTEGER), CAST(a.start_date AS TEXT), CAST(a.slots AS TEXT),
        CAST(a.skipped AS TEXT), CAST(a.receipt AS TEXT), CAST(a.allocated_at AS TEXT),
        CAST(a.ended_from AS TEXT), CAST(a.ended_at AS TEXT), CAST(a.first_ordinal AS INTEGER), CAST(a.sessions AS INTEGER),
        CAST(a.ordered AS TEXT), o.party, CAST(c.confirmation AS TEXT), CAST(c.amended AS TEXT),
        (SELECT json_group_array(json_array(x.seq & 65535, x.revision, x.trainer_id, x.starts_at, x.ends_at, x.status, x.terms,
                n.changed_at, n.overrides, x.as_planned)) FROM session_changes x
         LEFT JOIN purchase_changes n ON n.purchase = x.seq >> 16 AND n.revision = x.revision
         WHERE x.seq > p.seq << 16 AND x.seq < (p.seq + 1) << 16),
        (SELECT json_group_array(json_array(n.revision, n.changed_at)) FROM purchase_changes n
         WHERE n.purchase = p.seq AND n.kind = 'time-data')
 FROM party_plans o CROSS JOIN allocations a ON a.seq = o.seq
 LEFT JOIN purchases p ON p.id = a.purchase_id LEFT JOIN confirmations c ON c.seq = p.seq
 WHERE o.kind = ?1 AND o.party > ?2 AND o.party <= ?3 ORDER BY o.party";
const RESERVATIONS: &str = "SELECT o.party, CAST(r.key AS INTEGER), CAST(r.busy AS INTEGER), CAST(r.starts AS INTEGER)
 FROM parties o CROSS JOIN reservations r ON r.party = o.full
 WHERE o.kind = ?1 AND o.party > ?2 AND o.party <= ?3 ORDER BY o.party, r.key";
const TRAINERS: &str =
    "SELECT CAST(id AS TEXT), CAST(time_zone AS TEXT), CAST(languages AS TEXT), CAST(courses AS TEXT),
        CAST(availability AS TEXT), CAST(time_off AS TEXT), CAST(max_sessions_per_week AS INTEGER)
 FROM trainers WHERE ?1 = 'trainer' AND id > ?2 AND id <= ?3 ORDER BY id";

/// A query of what lies after one purchase's id, up to another's or the end.
fn in_page<'q>(sql: &'static str, after: &'q str, until: Option<&'q str>) -> Query<'q> {
    let query = sqlx::query(sql).bind(after);
    match until {
        Some(until) => query.bind(until),
        None => query.bind(AFTER_ALL),
    }
}

fn headers(row: &SqliteRow, column: usize) -> Read<Option<Headers>> {
    Ok(Headers::from_json_text(row.try_get(column)?).ok())
}

fn record(row: &SqliteRow, topic: &str, partition: i64, offset: i64) -> Read<RecordEvidence> {
    let (key, value, headers) = (row.try_get(1)?, row.try_get(2)?, headers(row, 3)?);
    Ok(RecordEvidence {
        topic: topic.to_owned(),
        partition,
        offset,
        key,
        value,
        headers,
        timestamp_ms: row.try_get(4)?,
    })
}

fn purchase(row: &SqliteRow) -> Read<PurchaseEvidence> {
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

fn allocation(row: &SqliteRow) -> Read<AllocationEvidence> {
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

fn session(row: &SqliteRow) -> Read<SessionEvidence> {
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

fn plan(row: &SqliteRow) -> Read<PlanEvidence> {
    Ok(PlanEvidence {
        allocation: allocation(row)?,
        party: row.try_get(16)?,
        confirmation: row.try_get(17)?,
        amended: row.try_get(18)?,
        session_changes: row.try_get(19)?,
        displaced: row.try_get(20)?,
    })
}

fn reservation(row: &SqliteRow) -> Read<ReservationEvidence> {
    let bits = |column| Read::Ok(row.try_get::<i64, usize>(column)?.cast_unsigned());
    Ok(ReservationEvidence { party: row.try_get(0)?, key: row.try_get(1)?, busy: bits(2)?, starts: bits(3)? })
}

fn trainer(row: &SqliteRow) -> Read<TrainerEvidence> {
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

fn span(row: &SqliteRow) -> Read<SpanEvidence> {
    Ok(SpanEvidence {
        party: row.try_get(0)?,
        session_id: row.try_get(1)?,
        starts_at: row.try_get(2)?,
        ends_at: row.try_get(3)?,
    })
}

fn refund(row: &SqliteRow) -> Result<RefundEvidence, sqlx::Error> {
    Ok(RefundEvidence {
        place: row.try_get(0)?,
        id: row.try_get(1)?,
        purchase_id: row.try_get(2)?,
        refund_id: row.try_get(3)?,
        provisional: row.try_get::<i64, _>(7)? != 0,
        amount: row.try_get(4)?,
        currency: row.try_get(5)?,
        state: row.try_get(6)?,
    })
}
