//! Arithmetic of rewards and groups.
//!
//! A completion earns four components, and their weighted sum is its reward:
//!
//! | component | value | weight |
//! |---|---|---|
//! | [`Component::Correctness`] | 1 when the answer is right, else 0 | 0.70 |
//! | [`Component::Thinking`] | 0.5 when the working-out tag was closed, else 0 | 0.15 |
//! | [`Component::Answer`] | 0.3 when an answer block is there, else 0 | 0.10 |
//! | [`Component::NoTrailing`] | max(0, 0.2 − 0.001 · characters after the answer block), 0 without one | 0.05 |
//!
//! Every value is a whole number of thousandths and every weight a whole number of hundredths, so a reward is a
//! **whole number of hundred-thousandths** ([`Reward`]): 0 to 81,500, which is 0 to 0.815. Sums and group means are
//! integers, and a float appears once, at the end. No order of summation can make two machines disagree.
//!
//! This module knows nothing of texts, problems or models.
//!
//! ```
//! use grail_env::reward::{Advantages, RewardVector};
//! let right = RewardVector::new(true, true, Some(0));
//! let silent = RewardVector::new(false, false, None);
//! assert_eq!(right.total().as_f32(), 0.815);
//! assert_eq!(silent.total().as_f32(), 0.0);
//!
//! let group = Advantages::of(&[right.total(), silent.total()]);
//! assert_eq!(group.to_f64(), [0.4075, -0.4075]);
//! ```
//!
//! | module | law |
//! |---|---|
//! | `component` | components, weights, the vector and its total |
//! | `ability` | pass@k |
//! | `group` | advantages of a group; the check of a group's claimed rewards |

mod ability;
mod component;
mod group;

pub use ability::pass_at_k;
pub use component::{Component, Reward, RewardVector, TRAILING_LIMIT};
pub use group::{Advantages, GroupCheck, GroupFlaw};
