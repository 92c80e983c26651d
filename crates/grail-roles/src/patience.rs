//! What a role does about a fault: the one place that decides between waiting and ending.
//!
//! Whoever answers at a door says whether doing it again may help ([`Retry`]). What may pass is waited out, however long
//! it takes. What does not pass ends a role that has not begun to work: a mistake in its settings, most often. Once a role
//! has worked, its settings were right, and whatever a node, a store, a relay or a disk refuses from then on may be
//! granted again: it is waited out too. Two doors are left: a rule of ours that does not hold, and a device that
//! stopped computing. Both want a fresh process, and the exit code says so to whoever starts one.

use grail_ports::{Door, Fault, Retry, clock::Clock};
use grail_protocol::words::UnixMillis;
use std::{collections::BTreeMap, sync::Arc};

/// Milliseconds between a fault and the next try, at first.
pub(crate) const FIRST_PAUSE_MS: u64 = 2_000;
/// Milliseconds between a fault and the next try, at most.
const LONGEST_PAUSE_MS: u64 = 15_000;
/// Milliseconds between two lines about the same door.
const TELL_EVERY_MS: u64 = 60_000;

/// Whether a fault ends a role; `begun` says that the role has worked before.
pub fn ends(fault: &Fault, begun: bool) -> bool {
    fault.retry == Retry::Never && (!begun || matches!(fault.door, Door::Inside | Door::Model))
}

/// When something was last said, by what it is about: no more than a line a minute.
#[derive(Debug, Default)]
pub(crate) struct Teller(BTreeMap<&'static str, UnixMillis>);

impl Teller {
    /// Whether a line about it is due now, which is then taken as said.
    pub(crate) fn is_due(&mut self, about: &'static str, now: UnixMillis) -> bool {
        let due = self.0.get(about).is_none_or(|told| now.since(*told) >= TELL_EVERY_MS);
        if due {
            self.0.insert(about, now);
        }
        due
    }
}

/// The patience of one role: waits out what may pass, and says once a minute what it waits for.
pub struct Endurance {
    clock: Arc<dyn Clock>,
    begun: bool,
    teller: Teller,
    spell: Option<Spell>,
}

/// A time without success.
#[derive(Debug, Clone, Copy)]
struct Spell {
    since: UnixMillis,
    pause_ms: u64,
}

impl std::fmt::Debug for Endurance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endurance")
            .field("begun", &self.begun)
            .field("spell", &self.spell)
            .finish_non_exhaustive()
    }
}

impl Endurance {
    /// The patience of a role that has not begun.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, begun: false, teller: Teller::default(), spell: None }
    }

    /// Waits a while after a fault: two seconds at first, longer and longer, never more than a quarter of a minute.
    ///
    /// Errors: the fault, where it [`ends`] the role. Of a role that had begun it is said to be one that may pass, since
    /// another process may do better.
    pub async fn wait_out(&mut self, fault: Fault) -> Result<(), Fault> {
        if ends(&fault, self.begun) {
            return Err(if self.begun { fault.with_retry(Retry::Later) } else { fault });
        }
        let now = self.clock.now();
        let spell = self.spell.get_or_insert(Spell { since: now, pause_ms: FIRST_PAUSE_MS });
        let (seconds, pause_ms) = (now.since(spell.since) / 1_000, spell.pause_ms);
        spell.pause_ms = (pause_ms.saturating_mul(3) / 2).min(LONGEST_PAUSE_MS);
        if self.teller.is_due(fault.door.name(), now) {
            tracing::warn!(
                target: "grail::wait", event = "waiting", door = fault.door.name(), seconds,
                "waiting for {}{}: {}", fault.door.awaited(), since(seconds), fault.chain()
            );
        } else {
            tracing::debug!(target: "grail::wait", door = fault.door.name(), fault = %fault.chain(), "still waiting");
        }
        self.clock.sleep_until(now.plus(pause_ms)).await;
        Ok(())
    }

    /// Something went well: the role has begun, and what was waited for is over.
    pub fn went_well(&mut self) {
        self.begun = true;
        let Some(spell) = self.spell.take() else { return };
        let waited = self.clock.now().since(spell.since);
        if waited >= TELL_EVERY_MS {
            tracing::info!(
                target: "grail::wait", event = "going-on", seconds = waited / 1_000,
                "going on{}", since(waited / 1_000)
            );
        }
    }
}

fn since(seconds: u64) -> String {
    match seconds {
        0..60 => String::new(),
        60..7_200 => format!(" after {} min", seconds / 60),
        _ => format!(" after {} h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use grail_testkit::doors::ManualClock;

    fn fault(door: Door, retry: Retry) -> Fault {
        Fault::plain(door, retry, "on purpose")
    }

    #[test]
    fn what_may_pass_never_ends_a_role_and_what_does_not_ends_one_that_has_not_begun() {
        for door in Door::ALL {
            assert!(!ends(&fault(door, Retry::Later), false) && !ends(&fault(door, Retry::Later), true));
            assert!(ends(&fault(door, Retry::Never), false));
            // Whatever others refuse once all was well may be granted again.
            let of_ours = matches!(door, Door::Inside | Door::Model);
            assert_eq!(ends(&fault(door, Retry::Never), true), of_ours, "{door:?}");
        }
    }

    #[tokio::test]
    async fn pauses_grow_to_a_quarter_of_a_minute_and_begin_anew_after_success() {
        let clock = ManualClock::at(UnixMillis(1_000));
        let mut patience = Endurance::new(Arc::new(clock.clone()));
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let before = clock.now();
            let (waited, _) =
                tokio::join!(patience.wait_out(fault(Door::Chain, Retry::Later)), clock.turn_to_next());
            waited.unwrap();
            pauses.push(clock.now().since(before));
        }
        assert_eq!(pauses, [2_000, 3_000, 4_500, 6_750, 10_125, 15_000, 15_000, 15_000]);
        patience.went_well();
        let before = clock.now();
        let (waited, _) =
            tokio::join!(patience.wait_out(fault(Door::Disk, Retry::Never)), clock.turn_to_next());
        waited.unwrap();
        assert_eq!(clock.now().since(before), 2_000);
        assert!(patience.wait_out(fault(Door::Inside, Retry::Never)).await.is_err());
    }

    #[test]
    fn a_line_a_minute_about_each_thing() {
        let mut teller = Teller::default();
        let lines = (0..=180).filter(|second| teller.is_due("chain", UnixMillis(second * 1_000))).count();
        assert_eq!(lines, 4);
        assert!(teller.is_due("disk", UnixMillis(180_000)));
    }
}
