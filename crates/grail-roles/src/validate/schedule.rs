//! Which window is judged next: a pure decision.

use grail_protocol::{
    params::Params,
    words::{BlockNumber, WindowStart},
};

/// Windows that a validator may lag behind before it leaves some out.
const MOST_LAG: u64 = 3;

/// The next window to judge, or `None` while it is not over.
///
/// A fresh validator begins with the window that ended last. One that fell far behind, or slept, goes on with the
/// window [`MOST_LAG`] before the current one: older files are history, and the newest decide the weights.
pub(crate) fn next(params: &Params, head: BlockNumber, judged: Option<WindowStart>) -> Option<WindowStart> {
    let current = params.window_of(head);
    let newest = params.previous_window(current)?;
    let window = match judged {
        None => newest,
        Some(judged) => {
            let oldest = WindowStart(current.0.saturating_sub(MOST_LAG * params.window_length));
            params.next_window(judged).max(oldest)
        }
    };
    (window <= newest).then_some(window)
}

/// Windows that are over and wait behind this one.
pub(crate) fn waiting(params: &Params, head: BlockNumber, window: WindowStart) -> u64 {
    let newest = params.previous_window(params.window_of(head)).unwrap_or(window);
    newest.0.saturating_sub(window.0) / params.window_length.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use grail_protocol::params::DEV;

    fn decide(head: u64, judged: Option<u64>) -> Option<u64> {
        next(&DEV, BlockNumber(head), judged.map(WindowStart)).map(|window| window.0)
    }

    #[test]
    fn windows_are_judged_in_turn_once_they_are_over() {
        assert_eq!(decide(5, None), None);
        assert_eq!(decide(20, None), Some(0));
        assert_eq!(decide(39, Some(0)), None);
        assert_eq!(decide(40, Some(0)), Some(20));
        assert_eq!(decide(65, Some(20)), Some(40));
    }

    #[test]
    fn a_backlog_is_counted_in_windows_that_are_over() {
        let waiting = |head, window| super::waiting(&DEV, BlockNumber(head), WindowStart(window));
        assert_eq!([waiting(45, 20), waiting(65, 20), waiting(105, 20), waiting(5, 0)], [0, 1, 3, 0]);
    }

    #[test]
    fn a_long_sleep_skips_to_what_is_recent() {
        assert_eq!(decide(1_000, Some(20)), Some(940));
        assert_eq!(decide(1_000, None), Some(980));
    }
}
