//! The cache on Redis, or anything that speaks its protocol.
//!
//! Architecture invariant: after an invalidation returned, no answer is given whose token was taken
//! before it. All keys carry the server's `run_id`, asked in the very script that uses it: a server
//! that restarts from an old snapshot, or another that takes over, knows none of them.

use std::time::Duration;

use async_trait::async_trait;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ErrorKind, FromRedisValue, RedisError, Script, ScriptInvocation};
use uuid::Uuid;

use crate::platform::PlatformError;
use crate::platform::cache::{Cache, CacheKey, FillToken};

/// How long an answer may take: readers go to the database otherwise.
const ANSWER_WAIT: Duration = Duration::from_millis(500);
/// How long connecting may take.
const CONNECT_WAIT: Duration = Duration::from_millis(500);
/// How long answers are kept, in seconds.
const ANSWER_SECONDS: u32 = 3_600;
/// How long a reader may take from its token to its fill, in seconds.
const TOKEN_SECONDS: u32 = 30;
/// How long an invalidation is remembered, in seconds: longer than any token.
const INVALIDATION_SECONDS: u32 = 120;
/// Keys that are invalidated by one script: Redis answers nobody else meanwhile.
const KEYS_AT_ONCE: usize = 1_000;

/// What the keys of this life of the server begin with, and how many keys it has had to evict in it.
const HERE: &str = "
    local info = redis.call('INFO', 'server')
    local here = ARGV[1] .. string.match(info, 'run_id:(%x+)') .. ':'
    local function evicted() return string.match(redis.call('INFO', 'stats'), 'evicted_keys:(%d+)') end
";
const GET: &str = "return redis.call('GET', here .. 'answer:' .. ARGV[2])";
const TOKEN: &str = "
    local epoch = redis.call('GET', here .. 'epoch') or '0'
    redis.call('SET', here .. 'token:' .. ARGV[2], epoch .. ' ' .. evicted(), 'EX', ARGV[3])
    return 1";
/// A token that is gone is too old. If keys were evicted meanwhile, an invalidation may be among them.
const FILL: &str = "
    local token = redis.call('GET', here .. 'token:' .. ARGV[2])
    if not token then return 0 end
    local epoch, before = string.match(token, '(%d+) (%d+)')
    local invalidated = redis.call('GET', here .. 'invalidated:' .. ARGV[3])
    if before ~= evicted() or (invalidated and tonumber(invalidated) > tonumber(epoch)) then return 0 end
    redis.call('SET', here .. 'answer:' .. ARGV[3], ARGV[4], 'EX', ARGV[5])
    return 1";
const INVALIDATE: &str = "
    local epoch = redis.call('INCR', here .. 'epoch')
    for place = 3, #ARGV do
        redis.call('SET', here .. 'invalidated:' .. ARGV[place], epoch, 'EX', ARGV[2])
        redis.call('UNLINK', here .. 'answer:' .. ARGV[place])
    end
    return epoch";

/// The cache of a distributed Caravan.
pub struct RedisCache {
    connection: ConnectionManager,
    prefix: String,
    get: Script,
    token: Script,
    fill: Script,
    invalidate: Script,
}

impl RedisCache {
    /// Sets the client up; whether a server answers shows later.
    ///
    /// # Errors
    /// If the URL is none.
    pub fn open(url: &str, namespace: Option<&str>) -> Result<Self, PlatformError> {
        let wrong = |problem: RedisError| {
            PlatformError::Broken(format!("--redis is not a URL such as redis://host:6379/0 ({problem})"))
        };
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT_WAIT))
            .set_response_timeout(Some(ANSWER_WAIT))
            .set_number_of_retries(1);
        let connection =
            Client::open(url).and_then(|client| client.get_connection_manager_lazy(config)).map_err(wrong)?;
        let prefix = namespace.map_or_else(|| "caravan:".to_owned(), |namespace| format!("{namespace}:caravan:"));
        let script = |body: &str| Script::new(&format!("{HERE}{body}"));
        let (get, token, fill, invalidate) = (script(GET), script(TOKEN), script(FILL), script(INVALIDATE));
        Ok(Self { connection, prefix, get, token, fill, invalidate })
    }

    async fn ask<T: FromRedisValue>(
        &self,
        script: &Script,
        arguments: impl for<'s> FnOnce(&mut ScriptInvocation<'s>) + Send,
    ) -> Result<T, PlatformError> {
        let mut connection = self.connection.clone();
        let mut asked = script.prepare_invoke();
        asked.arg(&self.prefix);
        arguments(&mut asked);
        asked.invoke_async(&mut connection).await.map_err(|error| platform_error(&error))
    }
}

#[async_trait]
impl Cache for RedisCache {
    async fn get(&self, key: &CacheKey) -> Result<Option<Vec<u8>>, PlatformError> {
        let name = name(key);
        self.ask(&self.get, move |asked| _ = asked.arg(name)).await
    }

    async fn token(&self) -> Result<FillToken, PlatformError> {
        // Made here and known to nobody else: no other life of the server has it.
        let token = Uuid::new_v4().as_u64_pair().0;
        let _: i64 = self.ask(&self.token, move |asked| _ = asked.arg(token).arg(TOKEN_SECONDS)).await?;
        Ok(FillToken(token))
    }

    async fn fill(&self, key: &CacheKey, token: FillToken, answer: Vec<u8>) -> Result<bool, PlatformError> {
        let name = name(key);
        let kept: i64 =
            self.ask(&self.fill, move |asked| _ = asked.arg(token.0).arg(name).arg(answer).arg(ANSWER_SECONDS)).await?;
        Ok(kept == 1)
    }

    async fn invalidate(&self, keys: &[CacheKey]) -> Result<(), PlatformError> {
        for keys in keys.chunks(KEYS_AT_ONCE) {
            let names: Vec<String> = keys.iter().map(name).collect();
            let _: i64 = self
                .ask(&self.invalidate, move |asked| {
                    asked.arg(INVALIDATION_SECONDS);
                    for name in names {
                        asked.arg(name);
                    }
                })
                .await?;
        }
        Ok(())
    }
}

/// A key's name, its kind first.
fn name(key: &CacheKey) -> String {
    match key {
        CacheKey::Purchase(id) => format!("purchase:{id}"),
        CacheKey::Student(id) => format!("student:{id}"),
        CacheKey::Trainer(id) => format!("trainer:{id}"),
    }
}

fn platform_error(error: &RedisError) -> PlatformError {
    match error.kind() {
        ErrorKind::AuthenticationFailed => {
            PlatformError::Broken(format!("Redis refuses: check the user and password in --redis ({error})"))
        }
        _ => PlatformError::Environment(format!("Redis can't be reached or is not ready ({error})")),
    }
}
