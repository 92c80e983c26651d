//! A dense decoder that learns: Llama, Qwen2 or Qwen3, whole or through adapters of low rank.
//!
//! A pass ends at the states that predict; the output head works on them by chunks (see [`Head`]). With
//! [`Recompute::Layers`] a pass keeps one residual stream a layer and computes the rest again on its way back.

mod build;
mod layer;
mod layout;

pub use build::Lora;
pub use layout::{Layout, Prompted};

use crate::learn::{
    error::{Doing, TrainError, unusable},
    gradients::Gradients,
    head::{Head, Measured},
    optimizer::Parameter,
};
use crate::{config::ModelConfig, decoder::names};
use layer::{Adapters, Layer, Weight, norm};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, TchError, Tensor};

/// What a pass keeps for its way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recompute {
    /// Everything: fastest, and memory grows with layers times tokens times about twenty widths.
    #[default]
    Nothing,
    /// The stream between layers; each layer is computed a second time, about a third more work (Chen et al.,
    /// arXiv:1604.06174).
    Layers,
}

/// A model that learns. Its projections stay apart, under the names of the weight files.
#[derive(Debug)]
pub struct LearningModel {
    config: ModelConfig,
    embedding: Weight,
    layers: Vec<Layer>,
    norm: Weight,
    /// The output head, unless it is the embedding.
    head: Option<Weight>,
    parameters: Vec<Parameter>,
}

/// A forward pass on its way back.
#[derive(Debug)]
pub struct Pass {
    kept: Kept,
    /// Final states of the rows that predict, `[predicted, hidden]`, without a graph.
    states: Tensor,
}

#[derive(Debug)]
enum Kept {
    /// The stream that entered the first layer, and the final states with their graph.
    Graph { start: Tensor, states: Tensor },
    /// The stream that entered each layer, and the one that left the last.
    Streams(Vec<Tensor>),
}

impl Pass {
    /// Final states of the rows that predict, `[predicted, hidden]`.
    pub fn states(&self) -> &Tensor {
        &self.states
    }
}

impl LearningModel {
    /// Sizes and features.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// What learns, in the order that gradients and the optimizer's state have.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Kind and device of the weights.
    pub fn place(&self) -> (Kind, Device) {
        (self.norm.tensor.kind(), self.norm.tensor.device())
    }

    /// Values of all weights, those that learn and those that do not.
    pub fn size(&self) -> usize {
        let layers = self.layers.iter().flat_map(|layer| {
            let linears = layer.linears().into_iter().flat_map(|(_, linear)| {
                linear.weights().map(|weight| weight.tensor.numel()).collect::<Vec<_>>()
            });
            linears.chain(layer.norms().map(|(_, weight)| weight.tensor.numel()).collect::<Vec<_>>())
        });
        let ends = [Some(&self.embedding), Some(&self.norm), self.head.as_ref()];
        layers.sum::<usize>() + ends.into_iter().flatten().map(|weight| weight.tensor.numel()).sum::<usize>()
    }

    /// The output head, with so many rows of logits at once.
    pub fn head(&self, chunk: usize) -> Head<'_> {
        Head { weight: &self.head.as_ref().unwrap_or(&self.embedding).tensor, chunk }
    }

    /// Log-probabilities of the completions of a layout, and entropies when asked for; nothing is kept.
    ///
    /// Errors: [`TrainError::Run`].
    pub fn measure(&self, layout: &Layout, chunk: usize, entropy: bool) -> Result<Measured, TrainError> {
        self.measure_with(Adapters::Used, layout, chunk, entropy)
    }

    /// The same as if there were no adapters: in LoRA mode the model that training began with.
    ///
    /// Errors: [`TrainError::Run`].
    pub fn measure_base(&self, layout: &Layout, chunk: usize, entropy: bool) -> Result<Measured, TrainError> {
        self.measure_with(Adapters::PassedBy, layout, chunk, entropy)
    }

    fn measure_with(
        &self,
        adapters: Adapters,
        layout: &Layout,
        chunk: usize,
        entropy: bool,
    ) -> Result<Measured, TrainError> {
        let states = tch::no_grad(|| {
            let mut x = self.embed(layout)?;
            for layer in &self.layers {
                x = layer.forward(&self.config, layout, adapters, &x)?;
            }
            self.finish(layout, &x)
        });
        self.head(chunk).measure(&states.doing("computing hidden states")?, &layout.targets, entropy)
    }

    /// Whether adapters learn, rather than all weights.
    pub fn is_adapted(&self) -> bool {
        self.norm.slot.is_none()
    }

    /// The forward pass up to the states that predict.
    ///
    /// Errors: [`TrainError::Run`].
    pub fn forward(&self, layout: &Layout, recompute: Recompute) -> Result<Pass, TrainError> {
        let pass = match recompute {
            Recompute::Nothing => self.forward_keeping_all(layout),
            Recompute::Layers => tch::no_grad(|| self.forward_keeping_streams(layout)),
        };
        pass.doing("computing hidden states")
    }

    fn forward_keeping_all(&self, layout: &Layout) -> Result<Pass, TchError> {
        let start = tch::no_grad(|| self.embed(layout))?.f_set_requires_grad(true)?;
        let states = tch::with_grad(|| {
            let mut x = start.shallow_clone();
            for layer in &self.layers {
                x = layer.forward(&self.config, layout, Adapters::Used, &x)?;
            }
            self.finish(layout, &x)
        })?;
        Ok(Pass { states: states.f_detach()?, kept: Kept::Graph { start, states } })
    }

    fn forward_keeping_streams(&self, layout: &Layout) -> Result<Pass, TchError> {
        let mut x = self.embed(layout)?;
        let mut streams = Vec::with_capacity(self.layers.len() + 1);
        for layer in &self.layers {
            let next = layer.forward(&self.config, layout, Adapters::Used, &x)?;
            streams.push(std::mem::replace(&mut x, next));
        }
        let states = self.finish(layout, &x)?;
        streams.push(x);
        Ok(Pass { states, kept: Kept::Streams(streams) })
    }

    /// The way back: adds the gradients of every parameter below the output head.
    ///
    /// `states_gradient` is that of [`Pass::states`]. Where the head learns, its own gradient comes from
    /// [`Head::differentiate`] with [`LearningModel::head_gradient`].
    ///
    /// Errors: [`TrainError::Run`].
    pub fn backward(
        &self,
        layout: &Layout,
        pass: Pass,
        states_gradient: &Tensor,
        gradients: &mut Gradients,
    ) -> Result<(), TrainError> {
        if states_gradient.size() != pass.states.size() {
            return unusable(format!(
                "states of shape {:?} come with gradients of shape {:?}",
                pass.states.size(),
                states_gradient.size()
            ));
        }
        let all = || -> Result<(), TchError> {
            let start_gradient = match pass.kept {
                Kept::Graph { start, states } => {
                    let learning: Vec<_> =
                        self.layers.iter().flat_map(Layer::learning).chain(self.norm.learning()).collect();
                    pull(&states, states_gradient, &start, &learning, gradients)?
                }
                Kept::Streams(streams) => {
                    self.backward_by_layers(layout, streams, states_gradient, gradients)?
                }
            };
            let Some(slot) = self.embedding.slot else { return Ok(()) };
            tch::no_grad(|| {
                if let Some(sum) = gradients.open(slot, &self.embedding.tensor)? {
                    let _ = sum.f_index_add_(0, &layout.ids, &start_gradient.f_to_kind(Kind::Float)?)?;
                }
                Ok(())
            })
        };
        all().doing("computing gradients")
    }

    fn backward_by_layers(
        &self,
        layout: &Layout,
        mut streams: Vec<Tensor>,
        states_gradient: &Tensor,
        gradients: &mut Gradients,
    ) -> Result<Tensor, TchError> {
        let mut gradient = states_gradient.shallow_clone();
        if let Some(last) = streams.pop() {
            let leaf = last.f_detach()?.f_set_requires_grad(true)?;
            let states = tch::with_grad(|| self.finish(layout, &leaf))?;
            let learning: Vec<_> = self.norm.learning().into_iter().collect();
            gradient = pull(&states, &gradient, &leaf, &learning, gradients)?;
        }
        for layer in self.layers.iter().rev() {
            let Some(stream) = streams.pop() else { break };
            let leaf = stream.f_detach()?.f_set_requires_grad(true)?;
            let out = tch::with_grad(|| layer.forward(&self.config, layout, Adapters::Used, &leaf))?;
            gradient = pull(&out, &gradient, &leaf, &layer.learning(), gradients)?;
        }
        Ok(gradient)
    }

    /// Where the gradient of the output head's weight is summed; none when the head does not learn.
    ///
    /// Errors: [`TrainError::Run`].
    pub fn head_gradient<'g>(
        &self,
        gradients: &'g mut Gradients,
    ) -> Result<Option<&'g mut Tensor>, TrainError> {
        let head = self.head.as_ref().unwrap_or(&self.embedding);
        let Some(slot) = head.slot else { return Ok(None) };
        tch::no_grad(|| gradients.open(slot, &head.tensor)).doing("making room for gradients")
    }

    /// All weights under their names in weight files, adapters worked in, a tied head left out. The tensors share
    /// memory with the model where nothing had to be worked in.
    ///
    /// Errors: [`TrainError::Run`].
    pub fn export(&self) -> Result<Vec<(String, Tensor)>, TrainError> {
        let all = || -> Result<Vec<(String, Tensor)>, TchError> {
            let mut tensors = vec![(names::EMBEDDING.to_owned(), self.embedding.tensor.f_detach()?)];
            for (index, layer) in self.layers.iter().enumerate() {
                let index = index as i64;
                for (module, linear) in layer.linears() {
                    tensors.push((names::weight(index, module.path()), linear.merged()?));
                    if let Some(bias) = &linear.bias {
                        tensors.push((names::bias(index, module.path()), bias.tensor.f_detach()?));
                    }
                }
                for (norm, weight) in layer.norms() {
                    tensors.push((names::weight(index, norm.path()), weight.tensor.f_detach()?));
                }
            }
            tensors.push((names::NORM.to_owned(), self.norm.tensor.f_detach()?));
            if let Some(head) = &self.head {
                tensors.push((names::HEAD.to_owned(), head.tensor.f_detach()?));
            }
            Ok(tensors)
        };
        tch::no_grad(all).doing("collecting the weights")
    }

    fn embed(&self, layout: &Layout) -> Result<Tensor, TchError> {
        self.embedding.tensor.f_index_select(0, &layout.ids)
    }

    fn finish(&self, layout: &Layout, x: &Tensor) -> Result<Tensor, TchError> {
        norm(&x.f_index_select(0, &layout.rows)?, &self.norm.tensor, &self.config)
    }
}

impl Weight {
    fn learning(&self) -> Option<(usize, &Tensor)> {
        self.slot.map(|slot| (slot, &self.tensor))
    }
}

/// Pulls a gradient of `out` back: adds those of the parameters, and gives that of the leaf.
fn pull(
    out: &Tensor,
    gradient: &Tensor,
    leaf: &Tensor,
    learning: &[(usize, &Tensor)],
    gradients: &mut Gradients,
) -> Result<Tensor, TchError> {
    // libtorch's door for vector-Jacobian products is not in the bindings; the product's sum has the same gradient.
    let product = tch::with_grad(|| out.f_mul(&gradient.f_detach()?.f_to_kind(out.f_kind()?)?)?.f_sum(None))?;
    let inputs: Vec<&Tensor> =
        std::iter::once(leaf).chain(learning.iter().map(|(_, tensor)| *tensor)).collect();
    let mut parts = Tensor::f_run_backward(&[&product], &inputs, false, false)?.into_iter();
    let leaf_gradient = parts.next().map_or_else(|| leaf.f_zeros_like(), Ok)?;
    tch::no_grad(|| {
        for ((slot, _), part) in learning.iter().zip(parts) {
            gradients.take(*slot, part)?;
        }
        Ok(leaf_gradient)
    })
}
