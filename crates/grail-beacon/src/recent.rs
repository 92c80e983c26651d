use grail_protocol::beacon::Beacon;
use std::collections::VecDeque;

/// The rounds asked for lately, the latest asked at the back. Small, so a line is as good as a map.
#[derive(Debug)]
pub(crate) struct Recent {
    rounds: VecDeque<Beacon>,
    room: usize,
}

impl Recent {
    pub(crate) fn new(room: usize) -> Self {
        Self { rounds: VecDeque::new(), room }
    }

    /// The round, which thereby becomes the latest asked.
    pub(crate) fn get(&mut self, round: u64) -> Option<Beacon> {
        let place = self.rounds.iter().position(|beacon| beacon.round == round)?;
        let beacon = self.rounds.remove(place)?;
        self.rounds.push_back(beacon.clone());
        Some(beacon)
    }

    /// Keeps a round and lets go of the one not asked for longest.
    pub(crate) fn keep(&mut self, beacon: Beacon) {
        if self.get(beacon.round).is_some() {
            return;
        }
        if self.rounds.len() >= self.room {
            self.rounds.pop_front();
        }
        self.rounds.push_back(beacon);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_round_not_asked_for_longest_is_let_go() {
        let beacon = |round| Beacon { round, signature: [0; 48] };
        let mut recent = Recent::new(2);
        recent.keep(beacon(1));
        recent.keep(beacon(2));
        assert_eq!(recent.get(1), Some(beacon(1)));
        recent.keep(beacon(3));
        assert_eq!(recent.get(2), None);
        assert_eq!((recent.get(1), recent.get(3)), (Some(beacon(1)), Some(beacon(3))));
        recent.keep(beacon(3));
        assert_eq!(recent.rounds.len(), 2);
    }
}
