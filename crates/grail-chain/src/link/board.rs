//! What is known of each node: how it did, and when it may be tried again.

use std::time::Duration;
use tokio::time::Instant;

/// Weight of the newest experience in a score.
const RECENT: f64 = 0.3;

/// How long a node of another network is left alone.
const FOREIGN_PAUSE: Duration = Duration::from_secs(600);

/// One node as others may look at it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct EndpointHealth {
    /// Its address, a `ws://` or `wss://` URL.
    pub endpoint: String,
    /// From 0, never works, to 1, always works; recent experience counts most.
    pub score: f64,
    /// Failures since it last worked.
    pub failures: u32,
    /// What went wrong last.
    pub trouble: Option<String>,
    /// Whether it serves another network than the others.
    pub foreign: bool,
}

#[derive(Debug)]
struct Entry {
    health: EndpointHealth,
    not_before: Instant,
}

/// All nodes.
#[derive(Debug)]
pub(super) struct Board {
    entries: Vec<Entry>,
    first: Duration,
    most: Duration,
}

impl Board {
    pub(super) fn new(endpoints: &[String], first: Duration, most: Duration) -> Self {
        let entry = |endpoint: &String| Entry {
            health: EndpointHealth {
                endpoint: endpoint.clone(),
                score: 0.5,
                failures: 0,
                trouble: None,
                foreign: false,
            },
            not_before: Instant::now(),
        };
        Self { entries: endpoints.iter().map(entry).collect(), first, most }
    }

    /// The node to try: the best of those that may be tried, else the moment at which one may.
    pub(super) fn next(&self, now: Instant) -> Result<usize, Instant> {
        let mut best: Option<usize> = None;
        for (index, entry) in self.entries.iter().enumerate() {
            let better = best.is_none_or(|best| {
                self.entries.get(best).is_none_or(|best| entry.health.score > best.health.score)
            });
            if entry.not_before <= now && better {
                best = Some(index);
            }
        }
        let soonest = self.entries.iter().map(|entry| entry.not_before).min();
        best.ok_or_else(|| soonest.unwrap_or(now))
    }

    pub(super) fn endpoint(&self, index: usize) -> String {
        self.entries.get(index).map_or_else(String::new, |entry| entry.health.endpoint.clone())
    }

    pub(super) fn worked(&mut self, index: usize) {
        if let Some(entry) = self.entries.get_mut(index) {
            entry.health.score += RECENT * (1.0 - entry.health.score);
            entry.health.failures = 0;
            entry.health.foreign = false;
        }
    }

    pub(super) fn failed(&mut self, index: usize, trouble: String, now: Instant) {
        let (first, most) = (self.first, self.most);
        if let Some(entry) = self.entries.get_mut(index) {
            entry.health.score -= RECENT * entry.health.score;
            let doubled = first.saturating_mul(1 << entry.health.failures.min(16));
            entry.health.failures = entry.health.failures.saturating_add(1);
            entry.health.trouble = Some(trouble);
            entry.not_before = now + doubled.min(most);
        }
    }

    pub(super) fn is_foreign(&mut self, index: usize, trouble: String, now: Instant) {
        self.failed(index, trouble, now);
        if let Some(entry) = self.entries.get_mut(index) {
            entry.health.foreign = true;
            entry.health.score = 0.0;
            entry.not_before = now + FOREIGN_PAUSE;
        }
    }

    /// Whether each node failed since it last worked.
    pub(super) fn all_failed(&self) -> bool {
        self.entries.iter().all(|entry| entry.health.failures > 0)
    }

    /// What is wrong with each node that failed, on one line.
    pub(super) fn troubles(&self) -> String {
        let failed = self.entries.iter().filter_map(|entry| {
            let trouble = entry.health.trouble.as_ref().filter(|_| entry.health.failures > 0)?;
            Some(format!("{}: {trouble}", entry.health.endpoint))
        });
        failed.collect::<Vec<_>>().join("; ")
    }

    pub(super) fn health(&self) -> Vec<EndpointHealth> {
        self.entries.iter().map(|entry| entry.health.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> (Board, Instant) {
        let endpoints = ["ws://a".to_owned(), "ws://b".to_owned()];
        let board = Board::new(&endpoints, Duration::from_secs(1), Duration::from_secs(8));
        (board, Instant::now())
    }

    #[test]
    fn the_healthier_node_is_chosen_and_order_decides_between_equals() {
        let (mut board, now) = board();
        assert_eq!(board.next(now), Ok(0));
        board.failed(0, "hangs".into(), now);
        assert_eq!(board.next(now), Ok(1));
        board.worked(1);
        let later = now + Duration::from_secs(60);
        assert_eq!(board.next(later), Ok(1), "a node that failed is behind one that works");
    }

    #[test]
    fn pauses_double_up_to_the_most() {
        let (mut board, now) = board();
        board.is_foreign(1, "another network".into(), now);
        for seconds in [1, 2, 4, 8, 8] {
            board.failed(0, "hangs".into(), now);
            assert_eq!(board.next(now), Err(now + Duration::from_secs(seconds)));
        }
        board.worked(0);
        board.failed(0, "hangs".into(), now);
        assert_eq!(board.next(now), Err(now + Duration::from_secs(1)), "working again forgives");
        let health = board.health();
        assert!(health[1].foreign && !health[0].foreign);
        assert_eq!(health[0].trouble.as_deref(), Some("hangs"));
    }
}
