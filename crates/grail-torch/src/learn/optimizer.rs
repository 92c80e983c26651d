//! AdamW with 32-bit masters.
//!
//! Source: Loshchilov and Hutter, arXiv:1711.05101, in the form of `torch.optim.AdamW`; masters are those of mixed
//! precision (Micikevicius et al., arXiv:1710.03740).
//!
//! A weight in 16 bits has steps of about 0.4 % of its size; updates of a millionth round to nothing. So parameters
//! that are not 32-bit floats have a 32-bit master here, which learns; the parameter is its rounding.

use crate::{
    error::LoadError,
    learn::{
        error::{Doing, TrainError, unusable, within},
        gradients::Gradients,
    },
};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, TchError, Tensor};

/// Values updated at once on a processor, so that the passes of one update find them in its cache.
const CACHED: i64 = 1 << 16;

/// A named tensor that learns.
#[derive(Debug)]
pub struct Parameter {
    /// Name in weight files.
    pub name: String,
    /// Its values, as the model uses them.
    pub tensor: Tensor,
}

/// Which parameters decay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// Those with two dimensions or more: neither norms nor biases.
    #[default]
    Matrices,
    /// All.
    All,
}

/// What can be chosen about the optimizer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamWSettings {
    /// Memory of the gradient's mean, β₁; 0 to below 1.
    pub beta1: f64,
    /// Memory of the gradient's square, β₂; 0 to below 1.
    pub beta2: f64,
    /// Added to the root of the square, ε; above 0, at most 1.
    pub epsilon: f64,
    /// Share of a weight that a step of rate 1 takes away; 0 to 10.
    pub weight_decay: f64,
    /// Which parameters decay.
    pub decay: Decay,
    /// Longest gradient, by its L2 norm over all parameters: longer ones are shortened to it; above 0.
    pub clip_norm: f64,
}

impl Default for AdamWSettings {
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.95,
            epsilon: 1e-8,
            weight_decay: 0.1,
            decay: Decay::Matrices,
            clip_norm: 0.5,
        }
    }
}

impl AdamWSettings {
    /// Checks every range.
    ///
    /// Errors: [`TrainError::Setting`] with the first that does not hold.
    pub fn check(&self) -> Result<(), TrainError> {
        let below_one = (0.0, 1.0 - f64::EPSILON);
        within("beta1", self.beta1, below_one, "0 to below 1")?;
        within("beta2", self.beta2, below_one, "0 to below 1")?;
        within("epsilon", self.epsilon, (f64::MIN_POSITIVE, 1.0), "above 0, at most 1")?;
        within("weight_decay", self.weight_decay, (0.0, 10.0), "0 to 10")?;
        within("clip_norm", self.clip_norm, (f64::MIN_POSITIVE, f64::MAX), "above 0")
    }
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Update {
    /// The parameters moved; with the norm of the gradient before it was shortened.
    Applied {
        /// L2 norm over all parameters.
        norm: f64,
    },
    /// The gradient was not finite: nothing moved, no state changed.
    Skipped,
}

/// The optimizer's state for a list of parameters.
#[derive(Debug)]
pub struct AdamW {
    settings: AdamWSettings,
    slots: Vec<Slot>,
    /// Steps applied.
    steps: u64,
}

#[derive(Debug)]
struct Slot {
    name: String,
    /// The 32-bit values; for 32-bit parameters the parameter itself, sharing its memory.
    master: Tensor,
    mean: Tensor,
    square: Tensor,
}

/// Parts of a slot, as they are named in state files.
const PARTS: [&str; 3] = ["master", "mean", "square"];

impl AdamW {
    /// Fresh state: masters from the parameters, moments of zero.
    ///
    /// Memory: 8 bytes a value, 12 where the parameter is not a 32-bit float.
    ///
    /// Errors: [`TrainError::Setting`], or [`TrainError::Run`].
    pub fn new(settings: AdamWSettings, parameters: &[Parameter]) -> Result<Self, TrainError> {
        settings.check()?;
        let slot = |parameter: &Parameter| -> Result<Slot, TchError> {
            let tensor = parameter.tensor.f_detach()?;
            let zeros = || Tensor::f_zeros(tensor.size(), (Kind::Float, tensor.device()));
            let master = tensor.f_to_kind(Kind::Float)?;
            Ok(Slot { name: parameter.name.clone(), master, mean: zeros()?, square: zeros()? })
        };
        let slots = parameters.iter().map(slot).collect::<Result<_, _>>();
        Ok(Self { settings, slots: slots.doing("making the optimizer's state")?, steps: 0 })
    }

    /// Steps applied so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Names and 32-bit values of the parameters.
    pub fn masters(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.slots.iter().map(|slot| (slot.name.as_str(), &slot.master))
    }

    /// Moves the parameters once. A parameter without a gradient does not move.
    ///
    /// `parameters` must be those that the state was made for, in the same order.
    ///
    /// Errors: [`TrainError::Batch`] when they are not, [`TrainError::Run`] when libtorch fails.
    pub fn step(
        &mut self,
        parameters: &[Parameter],
        gradients: &Gradients,
        rate: f64,
    ) -> Result<Update, TrainError> {
        let same = parameters.iter().map(|parameter| &parameter.name);
        if !same.eq(self.slots.iter().map(|slot| &slot.name)) {
            return unusable("the optimizer's state belongs to other parameters");
        }
        let norm = gradients.norm()?;
        if !norm.is_finite() {
            return Ok(Update::Skipped);
        }
        let factor = (self.settings.clip_norm / (norm + 1e-6)).min(1.0);
        self.steps += 1;
        let moves = Moves::new(&self.settings, rate, factor, self.steps);
        let all = || -> Result<(), TchError> {
            for (index, (slot, parameter)) in self.slots.iter_mut().zip(parameters).enumerate() {
                let Some(gradient) = gradients.get(index) else { continue };
                moves.apply(slot, gradient)?;
                if parameter.tensor.kind() != Kind::Float {
                    parameter.tensor.f_detach()?.f_copy_(&slot.master)?;
                }
            }
            Ok(())
        };
        tch::no_grad(all).doing("moving the parameters")?;
        Ok(Update::Applied { norm })
    }

    /// The state as named tensors, sharing memory with it: `master.…`, `mean.…` and `square.…` for each parameter.
    pub fn tensors(&self) -> Vec<(String, Tensor)> {
        let parts = |slot: &Slot| {
            let tensors = [&slot.master, &slot.mean, &slot.square];
            PARTS
                .into_iter()
                .zip(tensors)
                .map(|(part, tensor)| (format!("{part}.{}", slot.name), tensor.shallow_clone()))
                .collect::<Vec<_>>()
        };
        self.slots.iter().flat_map(parts).collect()
    }

    /// Takes over a saved state: `find` gives the tensors by the names of [`AdamW::tensors`]. The parameters become
    /// the roundings of the loaded masters.
    ///
    /// Errors: those of `find`, and [`LoadError::Tensor`] for a shape that does not fit. On an error the state is
    /// partly replaced and must not be used.
    pub fn restore(
        &mut self,
        parameters: &[Parameter],
        steps: u64,
        find: impl Fn(&str) -> Result<Tensor, TrainError>,
    ) -> Result<(), TrainError> {
        for (slot, parameter) in self.slots.iter_mut().zip(parameters) {
            let name = slot.name.clone();
            for (part, tensor) in PARTS.into_iter().zip([&mut slot.master, &mut slot.mean, &mut slot.square])
            {
                let name = format!("{part}.{name}");
                let saved = find(&name)?;
                if saved.size() != tensor.size() {
                    let problem = format!("has shape {:?}, {:?} is needed", saved.size(), tensor.size());
                    return Err(LoadError::tensor(&name, problem).into());
                }
                tch::no_grad(|| tensor.f_copy_(&saved)).doing("restoring the optimizer's state")?;
            }
            if parameter.tensor.kind() != Kind::Float {
                let copied = tch::no_grad(|| parameter.tensor.f_detach()?.f_copy_(&slot.master));
                copied.doing("restoring the parameters")?;
            }
        }
        self.steps = steps;
        Ok(())
    }
}

/// The numbers of one step.
struct Moves {
    settings: AdamWSettings,
    /// Factor of every gradient.
    factor: f64,
    /// What decay leaves of a weight.
    keep: f64,
    /// Rate over the mean's bias correction.
    stride: f64,
    /// Root of the square's bias correction.
    root: f64,
}

impl Moves {
    fn new(settings: &AdamWSettings, rate: f64, factor: f64, step: u64) -> Self {
        let correction = |beta: f64| 1.0 - beta.powf(step as f64);
        Self {
            settings: *settings,
            factor,
            keep: 1.0 - rate * settings.weight_decay,
            stride: rate / correction(settings.beta1),
            root: correction(settings.beta2).sqrt(),
        }
    }

    fn apply(&self, slot: &mut Slot, gradient: &Tensor) -> Result<(), TchError> {
        let decays = self.settings.decay == Decay::All || slot.master.dim() >= 2;
        let whole = slot.master.numel() as i64;
        let part = if gradient.device() == Device::Cpu { CACHED } else { whole.max(1) };
        let flat = [&slot.master, &slot.mean, &slot.square, gradient];
        let [master, mean, square, gradient] = flat.map(|tensor| tensor.f_view([-1]));
        let (master, mean, square, gradient) = (master?, mean?, square?, gradient?);
        let mut start = 0;
        while start < whole {
            let length = part.min(whole - start);
            let cut = |tensor: &Tensor| tensor.f_narrow(0, start, length);
            self.apply_to(cut(&master)?, cut(&mean)?, cut(&square)?, &cut(&gradient)?, decays)?;
            start += length;
        }
        Ok(())
    }

    fn apply_to(
        &self,
        mut master: Tensor,
        mut mean: Tensor,
        mut square: Tensor,
        gradient: &Tensor,
        decays: bool,
    ) -> Result<(), TchError> {
        let AdamWSettings { beta1, beta2, epsilon, .. } = self.settings;
        let gradient = gradient.f_mul_scalar(self.factor)?;
        let _ = mean.f_lerp_(&gradient, 1.0 - beta1)?;
        let _ = square.f_lerp_(&gradient.f_square()?, 1.0 - beta2)?;
        if decays && self.keep != 1.0 {
            let _ = master.f_mul_scalar_(self.keep)?;
        }
        let below = square.f_sqrt()?.f_div_scalar_(self.root)?.f_add_scalar_(epsilon)?;
        let _ = master.f_addcdiv_(&mean.f_mul_scalar(-self.stride)?, &below)?;
        Ok(())
    }
}
