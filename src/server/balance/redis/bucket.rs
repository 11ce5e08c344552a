//! The token buckets in Redis: one key each, from which a script takes tokens atomically.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value, cmd};

use crate::net::bucket::Rate;
use crate::net::leases::Grant;

/// The script. It needs Redis 5 or later, or Valkey, which replicate its effects and not the script with its clock.
const SCRIPT: &str = include_str!("lease.lua");

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// No answer in time.
    #[error("no answer in time")]
    Late,
    /// Redis refused the call, or the connection is lost.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// The answer is not one of the script.
    #[error("an answer that is none: {0:?}")]
    Answer(Value),
}

/// A connection to Redis, shared by concurrent requests.
pub(super) struct Connection {
    redis: MultiplexedConnection,
    /// The hash by which Redis knows the script.
    script: String,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("script", &self.script).finish_non_exhaustive()
    }
}

impl Connection {
    /// Loads the script.
    pub(super) async fn prepare(mut redis: MultiplexedConnection) -> Result<Self, CallError> {
        let script = cmd("SCRIPT").arg("LOAD").arg(SCRIPT).query_async(&mut redis).await?;
        Ok(Self { redis, script })
    }

    /// Takes up to `tokens` from the bucket `key`, which refills at `rate`.
    pub(super) async fn call(&self, key: &str, rate: Rate, tokens: u32) -> Result<Grant, CallError> {
        match self.run("EVALSHA", &self.script, key, rate, tokens).await {
            // Redis may forget scripts, and another one that has taken its place never knew them.
            Err(CallError::Redis(error)) if error.code() == Some("NOSCRIPT") => {
                self.run("EVAL", SCRIPT, key, rate, tokens).await
            }
            other => other,
        }
    }

    async fn run(
        &self,
        command: &str,
        script: &str,
        key: &str,
        rate: Rate,
        tokens: u32,
    ) -> Result<Grant, CallError> {
        let step = 1e6 / rate.per_second();
        let mut call = cmd(command);
        call.arg(script).arg(1).arg(key).arg(step).arg(rate.burst()).arg(tokens);
        match call.query_async(&mut self.redis.clone()).await? {
            Value::Array(parts) => grant(&parts).ok_or(CallError::Answer(Value::Array(parts))),
            other => Err(CallError::Answer(other)),
        }
    }
}

/// The answer of the script: tokens, and microseconds.
fn grant(parts: &[Value]) -> Option<Grant> {
    let [Value::Int(tokens), Value::Int(wait)] = parts else { return None };
    let wait = Duration::from_micros(u64::try_from(*wait).ok()?);
    Some(Grant { tokens: u32::try_from(*tokens).ok()?, wait })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_two_numbers() {
        let int = Value::Int;
        let rows = [
            (vec![int(7), int(0)], Some((7, 0))),
            (vec![int(0), int(1_500)], Some((0, 1_500))),
            (vec![int(-1), int(0)], None),
            (vec![int(0), int(-1)], None),
            (vec![int(i64::MAX), int(0)], None),
            (vec![int(1)], None),
            (vec![int(1), Value::Okay], None),
        ];
        for (parts, expected) in rows {
            let expected = expected.map(|(tokens, wait)| Grant { tokens, wait: Duration::from_micros(wait) });
            assert_eq!(grant(&parts), expected, "{parts:?}");
        }
    }
}
