//! Micro-batches by token budget.

use crate::learn::error::{TrainError, within};

/// Sorts items of these lengths into micro-batches of at most `budget` tokens; indices, in the order of making.
///
/// Source: longest processing time first (Graham 1969), with a bound on each batch. The longest goes first, into the lightest batch that exists when it fits there, else into a new one; an item
/// longer than the budget has a batch of its own. Among equals the first comes first. Every index appears once.
///
/// Errors: [`TrainError::Setting`] for a budget of zero.
pub fn pack(lengths: &[usize], budget: usize) -> Result<Vec<Vec<usize>>, TrainError> {
    within("token_budget", budget as f64, (1.0, f64::MAX), "1 or more")?;
    let mut order: Vec<(usize, usize)> = lengths.iter().copied().enumerate().collect();
    order.sort_by_key(|(_, length)| std::cmp::Reverse(*length));
    let mut batches: Vec<(usize, Vec<usize>)> = Vec::new();
    for (index, length) in order {
        let lightest = batches.iter_mut().min_by_key(|(load, _)| *load);
        match lightest.filter(|(load, _)| load.saturating_add(length) <= budget) {
            Some((load, batch)) => {
                *load += length;
                batch.push(index);
            }
            None => batches.push((length, vec![index])),
        }
    }
    Ok(batches.into_iter().map(|(_, batch)| batch).collect())
}
