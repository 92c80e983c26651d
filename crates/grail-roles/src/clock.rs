//! The system's clock.

// The one place in the libraries that reads the clock of the machine.
#![expect(clippy::disallowed_methods, reason = "this is the clock that every other room is handed")]

use async_trait::async_trait;
use grail_ports::clock::Clock;
use grail_protocol::words::UnixMillis;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Time as the operating system tells it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
    }

    async fn sleep_until(&self, moment: UnixMillis) {
        // Short naps, so that a clock that is set while we sleep does not cost a window.
        loop {
            let left = moment.since(self.now());
            if left == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(left.min(5_000))).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use grail_testkit::doors::conformance;

    #[tokio::test]
    async fn the_systems_clock_keeps_the_promises_of_its_door() {
        conformance::clock(&SystemClock, async |_| {}).await;
    }
}
