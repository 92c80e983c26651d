use async_trait::async_trait;
use grail_ports::clock::Clock;
use grail_protocol::words::UnixMillis;
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::watch;

/// A clock whose hand the test turns. Clones share the hand.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<watch::Sender<Face>>);

#[derive(Debug)]
struct Face {
    now: UnixMillis,
    /// How many sleep until each moment.
    sleepers: BTreeMap<UnixMillis, usize>,
}

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn at(now: UnixMillis) -> Self {
        Self(Arc::new(watch::Sender::new(Face { now, sleepers: BTreeMap::new() })))
    }

    /// Turns the hand forward to `moment` and wakes who slept until then; never turns it back.
    pub fn turn_to(&self, moment: UnixMillis) {
        self.0.send_modify(|face| face.now = face.now.max(moment));
    }

    /// Turns the hand by `millis`.
    pub fn advance(&self, millis: u64) {
        self.0.send_modify(|face| face.now = face.now.plus(millis));
    }

    /// Waits until somebody sleeps, then turns the hand to the earliest moment that is slept for and returns it.
    pub async fn turn_to_next(&self) -> UnixMillis {
        let mut face = self.0.subscribe();
        // The sender lives in `self`, so the channel cannot close here.
        let _ = face.wait_for(|face| !face.sleepers.is_empty()).await;
        drop(face);
        let mut reached = self.now();
        self.0.send_modify(|face| {
            if let Some(&earliest) = face.sleepers.keys().next() {
                face.now = face.now.max(earliest);
            }
            reached = face.now;
        });
        reached
    }
}

/// Takes a sleeper off the list, also when its future is dropped.
struct Asleep<'a> {
    clock: &'a ManualClock,
    until: UnixMillis,
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        self.clock.0.send_modify(|face| {
            if let Some(count) = face.sleepers.get_mut(&self.until) {
                *count -= 1;
                if *count == 0 {
                    face.sleepers.remove(&self.until);
                }
            }
        });
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> UnixMillis {
        self.0.borrow().now
    }

    async fn sleep_until(&self, moment: UnixMillis) {
        let mut face = self.0.subscribe();
        if face.borrow().now >= moment {
            return;
        }
        self.0.send_modify(|face| *face.sleepers.entry(moment).or_default() += 1);
        let _asleep = Asleep { clock: self, until: moment };
        // The sender lives in `self`, so this waits for the hand and for nothing else.
        let _ = face.wait_for(|face| face.now >= moment).await;
    }
}
