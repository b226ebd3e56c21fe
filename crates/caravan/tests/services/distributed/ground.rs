//! The ground these tests stand on: a namespace on the services.

use std::sync::Arc;

use caravan::platform::Platform;
use caravan::platform::clock::Clock;
use caravan::platform::distributed::Distributed;
use caravan::platform::evidence::Evidence;
use caravan::platform::installation::Installation;
use caravan::platform::log::PARTITIONS_DEFAULT;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::services::Namespace;

/// An opened namespace, removed with the test.
pub(crate) struct Ground {
    distributed: Arc<Distributed>,
    namespace: Namespace,
}

impl Ground {
    pub(crate) async fn new() -> Self {
        let namespace = Namespace::new();
        let distributed = Distributed::open(namespace.0.clone()).await.unwrap();
        distributed
            .platform(Arc::new(caravan::platform::clock::SystemClock))
            .log
            .create_topics(PARTITIONS_DEFAULT)
            .await
            .unwrap();
        Self { distributed: Arc::new(distributed), namespace }
    }

    pub(crate) fn platform(&self, clock: Arc<dyn Clock>) -> Platform {
        self.distributed.platform(clock)
    }

    /// What is beneath the platform.
    pub(crate) fn installation(&self) -> Arc<dyn Installation> {
        self.distributed.clone()
    }

    /// Changes rows behind everybody's back.
    pub(crate) async fn execute(&self, sql: &str) {
        let options = &self.namespace.0;
        let schema = format!("\"{}\"", options.namespace.as_deref().unwrap_or_default());
        let connect = options.postgres_url.parse::<PgConnectOptions>().unwrap().options([("search_path", schema)]);
        let mut connection = connect.connect().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    pub(crate) async fn evidence(&self) -> Box<dyn Evidence> {
        self.distributed.evidence().await.unwrap()
    }
}
