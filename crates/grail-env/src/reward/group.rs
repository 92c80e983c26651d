use super::{Reward, RewardVector};

/// How much each rollout of a group did better than its group: reward − group mean.
///
/// Exact: kept as the integers `n · reward − Σ rewards`, which are n · 100,000 times the advantage and sum to zero.
///
/// Source: GRPO (Shao et al. 2024, "DeepSeekMath") without the division by the spread, as in Dr. GRPO (Liu et al. 2025,
/// "Understanding R1-Zero-like training"); the Python network's version 5 divides by max(σ, 10⁻⁸).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advantages {
    scaled: Vec<i64>,
}

impl Advantages {
    /// The advantages of a group, in the order of its rollouts. An empty group has none.
    pub fn of(rewards: &[Reward]) -> Self {
        let each = |reward: &Reward| i64::from(reward.hundred_thousandths());
        let count = rewards.len() as i64;
        let sum: i64 = rewards.iter().map(each).sum();
        Self { scaled: rewards.iter().map(|reward| count * each(reward) - sum).collect() }
    }

    /// The nearest doubles to the exact advantages, in the order of the rollouts, −0.815 to 0.815; each is one correctly rounded
    /// division.
    #[expect(clippy::cast_precision_loss, reason = "both integers are far below 2^53")]
    pub fn to_f64(&self) -> Vec<f64> {
        let unit = self.scaled.len() as f64 * f64::from(Reward::UNIT);
        self.scaled.iter().map(|&scaled| scaled as f64 / unit).collect()
    }

    /// Whether every rollout earned the same, so that the group teaches nothing. True for an empty group.
    pub fn is_flat(&self) -> bool {
        self.scaled.iter().all(|&scaled| scaled == 0)
    }
}

/// The check of a group's claimed rewards against recomputed ones: no tolerance, since rewards are whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupCheck {
    /// Rollouts that a group must have; 16 in every profile.
    pub size: usize,
}

/// What is wrong with the claimed rewards of a group. The miner is at fault.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum GroupFlaw {
    /// Not a whole group.
    #[error("group holds {got} rollouts, the protocol asks for {want}")]
    Size {
        /// Rollouts found.
        got: usize,
        /// Rollouts asked for.
        want: usize,
    },
    /// NaN or an infinity, which would pass a comparison of sums.
    #[error("reward of rollout {rollout} is not a number")]
    NotFinite {
        /// Index in the group.
        rollout: usize,
    },
    /// No completion can have this reward.
    #[error("reward of rollout {rollout} is {claimed}, possible are 0 to 0.815")]
    OutOfRange {
        /// Index in the group.
        rollout: usize,
        /// The value in the file.
        claimed: f32,
    },
    /// Possible, but not what this completion earned.
    #[error("reward of rollout {rollout} is claimed as {claimed}, it is {derived}")]
    Differs {
        /// Index in the group.
        rollout: usize,
        /// The value in the file.
        claimed: f32,
        /// The recomputed reward.
        derived: Reward,
    },
}

impl GroupCheck {
    /// Checks the form of claimed rewards, before anything is recomputed: size, finite, in range.
    ///
    /// Errors: the first flaw, in that order: [`GroupFlaw::Size`], then by rollout [`GroupFlaw::NotFinite`] or
    /// [`GroupFlaw::OutOfRange`].
    pub fn form(&self, claimed: &[f32]) -> Result<(), GroupFlaw> {
        if claimed.len() != self.size {
            return Err(GroupFlaw::Size { got: claimed.len(), want: self.size });
        }
        let most = Reward::MAX.as_f32();
        for (rollout, &claimed) in claimed.iter().enumerate() {
            if !claimed.is_finite() {
                return Err(GroupFlaw::NotFinite { rollout });
            }
            if !(0.0..=most).contains(&claimed) {
                return Err(GroupFlaw::OutOfRange { rollout, claimed });
            }
        }
        Ok(())
    }

    /// Checks claimed rewards against the recomputed vectors, rollout by rollout, bit for bit.
    ///
    /// Errors: those of [`Self::form`]; [`GroupFlaw::Size`] where as many vectors are missing; [`GroupFlaw::Differs`] for the
    /// first rollout whose claim is not its reward.
    pub fn values(&self, claimed: &[f32], derived: &[RewardVector]) -> Result<(), GroupFlaw> {
        self.form(claimed)?;
        if derived.len() != self.size {
            return Err(GroupFlaw::Size { got: derived.len(), want: self.size });
        }
        for (rollout, (&claimed, vector)) in claimed.iter().zip(derived).enumerate() {
            let derived = vector.total();
            if !derived.equals_claim(claimed) {
                return Err(GroupFlaw::Differs { rollout, claimed, derived });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CHECK: GroupCheck = GroupCheck { size: 2 };

    fn any_vector() -> impl Strategy<Value = RewardVector> {
        (any::<bool>(), any::<bool>(), proptest::option::of(0usize..300))
            .prop_map(|(correct, thinking, trailing)| RewardVector::new(correct, thinking, trailing))
    }

    #[test]
    fn each_flaw_has_its_own_name() {
        let right = RewardVector::new(true, true, Some(0));
        let wrong = RewardVector::new(false, true, Some(0));
        let derived = [right, wrong];
        assert_eq!(CHECK.values(&[0.815, 0.115], &derived), Ok(()));
        assert_eq!(CHECK.form(&[0.815]), Err(GroupFlaw::Size { got: 1, want: 2 }));
        assert_eq!(CHECK.form(&[0.1, f32::NAN]), Err(GroupFlaw::NotFinite { rollout: 1 }));
        assert_eq!(CHECK.form(&[f32::NEG_INFINITY, 0.1]), Err(GroupFlaw::NotFinite { rollout: 0 }));
        assert_eq!(CHECK.form(&[0.0, 0.9]), Err(GroupFlaw::OutOfRange { rollout: 1, claimed: 0.9 }));
        assert_eq!(CHECK.form(&[-0.1, 0.0]), Err(GroupFlaw::OutOfRange { rollout: 0, claimed: -0.1 }));
        assert_eq!(
            CHECK.values(&[0.815, 0.815], &derived),
            Err(GroupFlaw::Differs { rollout: 1, claimed: 0.815, derived: wrong.total() })
        );
    }

    #[test]
    fn a_flat_group_says_so() {
        let reward = RewardVector::new(true, false, Some(3)).total();
        assert!(Advantages::of(&[reward; 16]).is_flat());
        assert!(!Advantages::of(&[reward, Reward::ZERO]).is_flat());
        assert!(Advantages::of(&[]).to_f64().is_empty());
    }

    proptest! {
        #[test]
        fn advantages_sum_to_zero_and_keep_the_order(vectors in prop::collection::vec(any_vector(), 1..64)) {
            let rewards: Vec<Reward> = vectors.iter().map(RewardVector::total).collect();
            let advantages = Advantages::of(&rewards);
            prop_assert_eq!(advantages.scaled.iter().sum::<i64>(), 0);
            let floats = advantages.to_f64();
            let mean = rewards.iter().map(|r| r.as_f64()).sum::<f64>() / rewards.len() as f64;
            for (reward, advantage) in rewards.iter().zip(&floats) {
                prop_assert!((reward.as_f64() - mean - advantage).abs() < 1e-12);
            }
            for (pair, gains) in rewards.windows(2).zip(floats.windows(2)) {
                prop_assert_eq!(pair[0] < pair[1], gains[0] < gains[1]);
            }
        }

        #[test]
        fn honest_claims_pass_and_any_changed_bit_fails(
            vectors in prop::collection::vec(any_vector(), 16), index in 0usize..16, bit in 0u32..32,
        ) {
            let check = GroupCheck { size: 16 };
            let mut claimed: Vec<f32> = vectors.iter().map(|v| v.total().as_f32()).collect();
            prop_assert_eq!(check.values(&claimed, &vectors), Ok(()));
            claimed[index] = f32::from_bits(claimed[index].to_bits() ^ (1 << bit));
            prop_assert!(check.values(&claimed, &vectors).is_err());
        }
    }
}
